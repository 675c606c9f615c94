"""Jobs that belong together, as plain data for `submit_batch`, from Python and from REST alike.

A part is a job (`{"job_type": …, "parameters": …}`, further arguments of `submit_job`, a `key`), a chain
(`{"chain": [part, …]}`: one after the other) or a group (`{"group": [part, …]}`: side by side).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from frappe import _

from ..engine import BULK_LIMIT
from ..errors import InvalidJobError
from ..submit.dependency_check import MAX_DEPENDENCIES

Part = Mapping[str, Any]
CHAIN, GROUP = "chain", "group"
MAX_DEPTH = 50
MAX_PARTS = 4 * BULK_LIMIT


class PlainPart(dict[str, Any]):
    """A part. It says what to do with it to who takes it for a batch."""

    def submit(self, *_arguments: Any, **_named: Any) -> None:
        """Raises TypeError: only batches are submitted."""
        raise TypeError(_("Put it into a batch, which can be submitted: batch(…).submit(organization)."))


def job(job_type: str, parameters: Mapping[str, Any] | None = None, **arguments: Any) -> PlainPart:
    """A job to be submitted with others. `arguments` are those of `submit_job`, and `key`."""
    return PlainPart({"job_type": job_type, "parameters": parameters, **arguments})


def chain(*parts: Part) -> PlainPart:
    """The parts one after the other: each waits for all jobs of the part before it."""
    return PlainPart({CHAIN: list(parts)})


def group(*parts: Part) -> PlainPart:
    """The parts side by side."""
    return PlainPart({GROUP: list(parts)})


@dataclass(slots=True)
class Plan:
    """The jobs of some parts in one list, and for each the positions of those it has to follow."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    after: list[Sequence[int]] = field(default_factory=list)
    dependencies: int = 0
    parts: int = 0


def plan_of(parts: Any, organization: str) -> Plan:
    """The plan of parts that begin side by side, whose jobs are of `organization` unless they name one.

    Raises InvalidJobError for a value that is no part, and for too many jobs.
    """
    plan = Plan()
    _add_all(plan, _listed(parts), (), organization, 0)
    return plan


def count_jobs(parts: Any) -> int:
    """The number of jobs in parts, which may be invalid. Looks at no more parts than a batch may have."""
    left, found = _inner({GROUP: parts}), 0
    for _number in range(MAX_PARTS):
        if not left:
            break
        part = left.pop()
        found += isinstance(part, Mapping) and not {CHAIN, GROUP} & part.keys()
        left += _inner(part)
    return found


def _inner(part: Any) -> list[Any]:
    inner = (part.get(kind) for kind in (CHAIN, GROUP)) if isinstance(part, Mapping) else ()
    return [one for parts in inner if isinstance(parts, list | tuple) for one in parts[:MAX_PARTS]]


def _add_all(plan: Plan, parts: Sequence[Any], after: Sequence[int], organization: str, depth: int) -> list[int]:
    """Add parts side by side, each behind the jobs `after`. Returns the positions of their last jobs."""
    return [end for part in parts for end in _add(plan, part, after, organization, depth)]


def _add(plan: Plan, part: Any, after: Sequence[int], organization: str, depth: int) -> Sequence[int]:
    """Add one part. Returns the positions of its own last jobs, so of none for a part without jobs."""
    plan.parts += 1
    if plan.parts > MAX_PARTS:  # a chain or a group may be empty
        raise InvalidJobError(_("At most {0} jobs can be submitted at once.").format(BULK_LIMIT))
    if isinstance(part, list | tuple):
        raise InvalidJobError(_("A part of a batch is a list. Put its jobs into a chain or a group."))
    if not isinstance(part, Mapping) or depth > MAX_DEPTH:
        raise InvalidJobError(
            _("Each part of a batch must be a job, a chain or a group: write job(…) or handler.job(…).")
        )
    kinds = {CHAIN, GROUP} & part.keys()
    if not kinds:
        return _add_job(plan, part, after, organization)
    if len(part) > 1:
        raise InvalidJobError(_("A chain or a group must hold only its parts."))
    parts = _listed(part[kinds.pop()])
    if GROUP in part:
        return _add_all(plan, parts, after, organization, depth + 1)
    ends: Sequence[int] = ()  # and not `after`: a group of such parts would repeat it for each
    for member in parts:
        ends = _add(plan, member, ends or after, organization, depth + 1) or ends
    return ends


def _add_job(plan: Plan, part: Part, after: Sequence[int], organization: str) -> list[int]:
    plan.jobs.append({**part, "organization": part.get("organization") or organization})
    plan.after.append(after)
    plan.dependencies += len(after)
    if len(plan.jobs) > BULK_LIMIT:
        raise InvalidJobError(_("At most {0} jobs can be submitted at once.").format(BULK_LIMIT))
    if plan.dependencies > MAX_DEPENDENCIES:
        raise InvalidJobError(_("At most {0} dependencies can be made at once.").format(MAX_DEPENDENCIES))
    return [len(plan.jobs) - 1]


def _listed(parts: Any) -> Sequence[Any]:
    if not isinstance(parts, list | tuple):
        raise InvalidJobError(_("{0} must be a list.").format("jobs"))
    return parts
