"""The cost of this app for a request of somebody else's, before Frappe does anything (`dartwing_core.wall.guard`).

Requests that name nothing of ours, as Desk and REST clients send them, by a user without a role; and, beside them,
some that do. The guard alone, in this process; statements are counted too. Then what the rules within Frappe's own
functions add to a list and to a save: processor time with and without them, in turn.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import frappe
from frappe.desk import reportview

from benchmarks import _report, _site
from dartwing_core.wall import by_request, guard
from tests.support import factory, web_request
from tests.support.database import statements

ROUNDS = 400
TARGET = 0.2
LONG_FORM = {"doctype": "Note", "title": "x", "rows": [{"idx": n, "text": f"row {n}"} for n in range(500)]}
OTHERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "list of notes": ("GET", "/api/resource/Note", {"fields": '["name", "title"]', "limit_page_length": "20"}),
    "one note": ("GET", "/api/resource/Note/x", {}),
    "list in Desk": (
        "POST",
        "/api/method/frappe.desk.reportview.get",
        {"doctype": "ToDo", "fields": '["`tabToDo`.`name`"]', "filters": '[["ToDo","status","=","Open"]]'},
    ),
    "form saved": (
        "POST",
        "/api/method/frappe.desk.form.save.savedocs",
        {"doc": json.dumps(LONG_FORM), "action": "Save"},
    ),
    "document sent as JSON": ("POST", "/api/resource/Note", LONG_FORM),
    "link search": ("POST", "/api/method/frappe.desk.search.search_link", {"doctype": "User", "txt": "a"}),
    "page": ("GET", "/about", {}),
}
OURS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "list of jobs": ("GET", "/api/resource/Background Job", {"fields": '["name"]'}),
    "job": ("GET", "/api/resource/Background Job/JOB-1K00000000000NOWHERE", {}),
    "list of organizations": ("GET", "/api/resource/Organization", {}),
}


def measure(user: str, call: tuple[str, str, dict[str, Any]]) -> tuple[float, float, int]:
    """Median and 95th percentile in milliseconds, and statements of one."""
    with web_request.made(call[0], call[1], user, call[2]):
        _ask()
        with statements() as seen:
            _ask()
        times = []
        for _round in range(ROUNDS):
            began = time.perf_counter()
            _ask()
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times), _report.percentile(times, 95), len(seen)


def _ask() -> None:
    """A job that is not there is refused, which takes its time too."""
    with suppress(frappe.DoesNotExistError):
        guard.check_request()


def within(user: str) -> dict[str, tuple[float, float]]:
    """Milliseconds of processor time without the rules, and what they add: medians of rounds in turn."""
    name = frappe.get_doc({"doctype": "Note", "title": "test of the guard", "public": 1}).insert().name
    frappe.db.commit()
    frappe.set_user(user)
    try:
        return {title: _added(call, name) for title, call in {"a list of notes": _list, "a note saved": _save}.items()}
    finally:
        frappe.set_user("Administrator")
        frappe.flags.pop(by_request.FLAG, None)
        frappe.delete_doc("Note", name, force=True)
        frappe.db.commit()


def _added(call: Callable[[str], Any], name: str) -> tuple[float, float]:
    times: dict[bool | None, list[float]] = {True: [], None: []}
    for _round in range(ROUNDS // 2):
        for by_frappe, seconds in times.items():
            frappe.flags[by_request.FLAG] = by_frappe
            began = time.process_time()
            call(name)
            seconds.append(time.process_time() - began)
    without, with_rules = (1000 * statistics.median(times[key]) for key in (None, True))
    return without, with_rules - without


def _list(_name: str) -> Any:
    frappe.local.form_dict = frappe._dict(doctype="Note", fields='["name","title"]', page_length=20, filters="[]")
    return reportview.get()


def _save(name: str) -> None:
    note = frappe.get_doc("Note", name)
    note.content = f"{time.time()}"
    note.save(ignore_permissions=True)
    frappe.db.rollback()


def main() -> None:
    report = _report.Report("guard: what stands in front of every request")
    with _site.site():
        print(_report.where())
        user = factory.user("m_roleless", roles=())
        frappe.db.commit()
        measured = {title: measure(user, call) for title, call in {**OTHERS, **OURS}.items()}
        added = within(factory.user("m_user", roles=("Dartwing User", "Desk User")))
    report.table(["request", "ms", "p95", "statements"], [[title, *figures] for title, figures in measured.items()])
    for title in OTHERS:
        report.target(f"{title}: guard", measured[title][0], TARGET, " ms")
        report.target(f"{title}: statements", measured[title][2], 0)
    for title, (without, more) in added.items():
        report.figure(f"{title}: processor time without the rules", without, " ms")
        report.target(f"{title}: added by the rules", more, TARGET, " ms")
    report.exit()


if __name__ == "__main__":
    main()
