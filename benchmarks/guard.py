"""What this app costs a request of somebody else's, before Frappe does anything for it (`dartwing_core.wall.guard`).

Requests that name nothing of ours, as Desk and REST clients send them, by a user without a role; and, beside them,
some that do. The guard alone, in this process; statements are counted too.
"""

from __future__ import annotations

import json
import statistics
import time
from contextlib import suppress
from typing import Any

import frappe

from benchmarks import _report, _site
from dartwing_core.wall import guard
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


def main() -> None:
    report = _report.Report("guard: what stands in front of every request")
    with _site.site():
        print(_report.where())
        user = factory.user("m_roleless", roles=())
        frappe.db.commit()
        measured = {title: measure(user, call) for title, call in {**OTHERS, **OURS}.items()}
    report.table(["request", "ms", "p95", "statements"], [[title, *figures] for title, figures in measured.items()])
    for title in OTHERS:
        report.target(f"{title}: guard", measured[title][0], TARGET, " ms")
        report.target(f"{title}: statements", measured[title][2], 0)
    report.exit()


if __name__ == "__main__":
    main()
