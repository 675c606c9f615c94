"""Checks on which jobs of a submit, and on which existing jobs, the submitted jobs depend."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import zip_longest
from typing import Any

import frappe
from frappe import _

from ..access import visibility
from ..errors import InvalidJobError
from ..job import find
from ..lib import canonical, config
from ..lib.rows import let_wait
from ..lib.texts import cut
from ..status import ENDED_BADLY, LIVE, JobStatus, word_of
from .request import KEY_LENGTH, Prepared

MAX_DEPENDENCIES = 100_000
"""Most dependencies in one submit."""


def parents_of(
    asked: Sequence[Prepared], after: Sequence[Collection[int]], user: str
) -> list[list[int | Mapping[str, Any]]]:
    """The parents of each job: the row of an existing one, or the position of one that is asked for, too.

    `after`: for each the positions of those that it has to follow, beside its `depends_on`. Raises InvalidJobError if a
    job may not depend on another one.
    """
    keys, named = _keys(asked), [_listed(job.request.depends_on) for job in asked]
    if sum(map(len, (*named, *after))) > MAX_DEPENDENCIES:
        raise InvalidJobError(_("At most {0} dependencies can be made at once.").format(MAX_DEPENDENCIES))
    parents: list[dict[int | str, None]] = [
        dict.fromkeys([*(keys.get(name, name) for name in names), *others])
        for names, others in zip_longest(named, after, fillvalue=())
    ]
    existing = _existing({parent for several in parents for parent in several if isinstance(parent, str)}, user)
    found: list[list[int | Mapping[str, Any]]] = []
    for job, several in zip(asked, parents, strict=True):
        if any(asked[at].row["organization"] != job.row["organization"] for at in several if isinstance(at, int)):
            raise InvalidJobError(_("depends_on: a job can only depend on jobs of its own organization."))
        found.append([_check_existing(job, at, existing.get(at)) if isinstance(at, str) else at for at in several])
    return found


def connect(final: Sequence[Prepared], parents: Sequence[Sequence[int | Mapping[str, Any]]]) -> list[tuple[str, str]]:
    """Write each new job's parent into its row. Returns the pairs for `dependencies.insert`.

    `final`: the job that stands for each that is asked for. `parents`: those of each. Raises InvalidJobError if jobs
    would wait for each other.
    """
    new = {job.row["name"]: job for job in final if not job.existing}
    statuses: dict[str, dict[str, str]] = {name: {} for name in new}
    for job, several in zip(final, parents, strict=True):
        for parent in several if job.row["name"] in new else ():
            found: Any = final[parent].existing or final[parent].row if isinstance(parent, int) else parent
            statuses[job.row["name"]][found["name"]] = found["status"]
    _check_order(statuses, new)
    for name, of_parents in statuses.items():
        _write(new[name], of_parents)
    return [(name, parent) for name, of_parents in statuses.items() if len(of_parents) > 1 for parent in of_parents]


def _existing(names: Collection[str], user: str) -> dict[str, Mapping[str, Any]]:
    """Those of these jobs that the user may see."""
    if not names:
        return {}
    fields = ["name", "status", "organization", "owner_user"]
    rows, viewer = frappe.get_all(config.JOB, {"name": ["in", sorted(names)]}, fields), visibility.viewer(user)
    return {row["name"]: row for row in rows if viewer.can_see(row["owner_user"], row["organization"])}


def _check_existing(job: Prepared, name: str, found: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The existing parent. One message covers a job that is missing, invisible or of another organization."""
    if not found or found["organization"] != job.row["organization"]:
        raise InvalidJobError(_("depends_on: background job {0} not found in this organization.").format(cut(name)))
    if found["status"] in ENDED_BADLY and job.row["on_parent_failure"] != find.RUN_ANYWAY:
        raise InvalidJobError(
            _("depends_on: background job {0} is {1} and will not complete.").format(name, word_of(found["status"]))
        )
    return found


def _check_order(parents: Mapping[str, Collection[str]], jobs: Mapping[str, Prepared]) -> None:
    """Raises InvalidJobError if new jobs wait for each other."""
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        keys = {str(jobs[name].request.key or "?") for name in error.args[1]}
        text = _("depends_on: these jobs would wait for each other: {0}.")
        raise InvalidJobError(text.format(cut(", ".join(sorted(keys))))) from None


def _write(job: Prepared, parents: Mapping[str, str]) -> None:
    minds = job.row["on_parent_failure"] != find.RUN_ANYWAY
    unfinished = [
        name for name, status in parents.items() if status != JobStatus.COMPLETED and (minds or status in LIVE)
    ]
    let_wait(job.row, list(parents), unfinished)


def _keys(asked: Sequence[Prepared]) -> dict[str, int]:
    """The position of each job that has a key. Raises InvalidJobError for a key that can't be one."""
    found: dict[str, int] = {}
    for number, job in enumerate(asked):
        key = job.request.key
        if key is None:
            continue
        if not isinstance(key, str) or not key.strip() or len(key) > KEY_LENGTH or key.upper().startswith("JOB-"):
            raise InvalidJobError(
                _("key must be text of at most {0} characters that does not look like a job's id.").format(KEY_LENGTH)
            )
        key = canonical.plain(key, "key")
        if key in found:
            raise InvalidJobError(_("Two of these jobs have the key {0}.").format(cut(key)))
        found[key] = number
    return found


def _listed(depends_on: Any) -> list[str]:
    names = [depends_on] if isinstance(depends_on, str) else [] if depends_on is None else depends_on
    is_list = isinstance(names, list | tuple | set | frozenset)
    if not is_list or not all(isinstance(name, str) and name.strip() for name in names):
        raise InvalidJobError(_("depends_on must be the id of a job, or a list of ids."))
    return canonical.plain([*names], "depends_on")
