"""Checks on which jobs of a submit, and on which existing jobs, the submitted jobs depend."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import frappe
from frappe import _

from ..access import visibility
from ..errors import InvalidJobError
from ..job import columns, find
from ..lib import canonical, config
from ..lib.texts import cut
from ..status import ENDED_BADLY, LIVE, JobStatus
from .request import Prepared
from .submission import KEY_LENGTH

MAX_DEPENDENCIES = 100_000
"""Most dependencies in one submit."""
MOST_PARENTS = 10_000
"""Most existing jobs that one submit may name."""


class DependencyCheck:
    """The parents of the jobs of one submit: checked when made, written into the jobs' rows by `connect`.

    `after`: for each job the positions of those that it has to follow, beside its `depends_on`.
    """

    def __init__(self, asked: Sequence[Prepared], after: Sequence[Collection[int]], user: str):
        self._asked = asked
        keys = _keys(asked)
        self._parents: list[list[int | str]] = []
        for number, item in enumerate(asked):
            named = [keys.get(name, name) for name in _listed(item.request.depends_on)]
            self._parents.append(list(dict.fromkeys([*named, *(after[number] if after else ())])))
        if sum(map(len, self._parents)) > MAX_DEPENDENCIES:
            raise InvalidJobError(_("At most {0} dependencies can be made at once.").format(MAX_DEPENDENCIES))
        existing = sorted({p for many in self._parents for p in many if isinstance(p, str)})
        if len(existing) > MOST_PARENTS:
            raise InvalidJobError(_("depends_on: at most {0} jobs can be named at once.").format(MOST_PARENTS))
        fields = ["name", "status", "organization", "owner_user"]
        rows = frappe.get_all(config.JOB, {"name": ["in", existing]}, fields) if existing else []
        self._existing: dict[str, dict[str, Any]] = {row["name"]: row for row in rows}
        if any(self._parents):
            self._check(visibility.viewer(user))

    def connect(self, final: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        """Write each job's parent into its row. Returns the pairs for `dependencies.insert`.

        `final`: the row that stands for each job: its own, an equal one's before it, or an existing job's. Raises
        InvalidJobError if jobs wait for each other.
        """
        items: dict[str, Prepared] = {}
        graph: dict[str, dict[str, str]] = {}
        for item, parents, row in zip(self._asked, self._parents, final, strict=True):
            if item.row["name"] == row["name"]:
                items[row["name"]] = item
            found = (final[p] if isinstance(p, int) else self._existing[p] for p in parents)
            graph.setdefault(row["name"], {}).update({parent["name"]: parent["status"] for parent in found})
        graph = {name: graph[name] for name in items}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            keys = {str(items[name].request.key or "?") for name in error.args[1]}
            text = _("depends_on: these jobs would wait for each other: {0}.")
            raise InvalidJobError(text.format(cut(", ".join(sorted(keys))))) from None
        for name, statuses in graph.items():
            _write(items[name], statuses)
        return [(name, parent) for name, statuses in graph.items() if len(statuses) > 1 for parent in statuses]

    def _check(self, looking: visibility.Viewer) -> None:
        for item, parents in zip(self._asked, self._parents, strict=True):
            for parent in parents:
                if isinstance(parent, str):
                    self._check_existing(item, parent, looking)
                elif item.row["organization"] != self._asked[parent].row["organization"]:
                    raise InvalidJobError(_("depends_on: a job can only depend on jobs of its own organization."))

    def _check_existing(self, item: Prepared, name: str, looking: visibility.Viewer) -> None:
        """Check an existing parent. One message covers a job that is missing, invisible or of another organization."""
        organization = item.row["organization"]
        found = self._existing.get(name)
        is_own = found and found["organization"] == organization
        if not found or not is_own or not looking.can_see(found["owner_user"], organization):
            raise InvalidJobError(_("depends_on: background job {0} not found in this organization.").format(cut(name)))
        if found["status"] in ENDED_BADLY and item.row["on_parent_failure"] != find.RUN_ANYWAY:
            raise InvalidJobError(
                _("depends_on: background job {0} is {1} and will not complete.").format(name, _(found["status"]))
            )


def _write(item: Prepared, parents: Mapping[str, str]) -> None:
    row = item.row
    if not parents:
        row["on_parent_failure"] = None
        return
    minds = row["on_parent_failure"] != find.RUN_ANYWAY
    unfinished = [
        name for name, status in parents.items() if status != JobStatus.COMPLETED and (minds or status in LIVE)
    ]
    row["depends_on"] = next(iter(parents))
    if unfinished:
        item.write(columns.waits_for_parent(max(unfinished)))


def _keys(asked: Sequence[Prepared]) -> dict[str, int]:
    """The position of each job that has a key. Raises InvalidJobError for a key that can't be one."""
    found: dict[str, int] = {}
    for number, item in enumerate(asked):
        key = item.request.key
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
