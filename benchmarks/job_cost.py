"""The cost of one job after `submit_job` has returned, beside bare `frappe.enqueue` of the same.

Both are enqueued after commit by an ordinary member and run by the same kind of worker. Counted on the wire (`_wire`):
everything that the submitter asks of MariaDB from the return of the call on, and everything that the work-horse asks
until its connections are closed, so also what happens after Completed. Counted for a no-op, whose bare form commits
nothing but says so, and for a job that writes one row. The submitter's own commit is one of each; that of `submit_job`
always writes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

import frappe

from benchmarks import _bare, _report, _site, _wire, _workers
from tests.support.waiting import until

WARM_UP, COUNTED = 3, 10
WIDTH = 118


def count_one(relay: _wire.Relay, call: Callable[[], None]) -> _wire.Count:
    """All that one job asks of the database after `call` has returned."""
    call()
    relay.take()
    opened = relay.opened
    frappe.db.commit()
    until(lambda: relay.opened > opened and len(relay.open) == 1, 30, "the end of the work-horse")
    return relay.take()


def typical(counts: list[_wire.Count]) -> _wire.Count:
    """The one of median cost; the first ones, which fill caches, are left out by the caller."""
    return sorted(counts, key=lambda count: (len(count.work), count.commits))[len(counts) // 2]


def shown(statement: str) -> str:
    """A statement in one line, with the data left out, so that two runs of it read the same."""
    text = re.sub(r"\s+", " ", statement).strip()
    text = re.sub(r"'(?:[^'\\]|\\.|'')*'", "'…'", text)
    text = re.sub(r"\b\d+(\.\d+)?\b", "0", text)
    text = re.sub(r"(?<=INSERT INTO `)(tab[\w ]+`).*", r"\1 …", text)
    text = re.sub(r"(?<=SELECT ).{60,}?(?= FROM)", "…", text)
    text = re.sub(r"(?<= SET ).{20,}(?= WHERE)", "…", text)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def difference(bare: _wire.Count, ours: _wire.Count) -> str:
    lists = [[shown(statement.text) for statement in count.statements] for count in (bare, ours)]
    lines = difflib.ndiff(*lists)
    return "\n".join(line for line in lines if not line.startswith("?"))


def count_both(handler: str, user: str) -> tuple[_wire.Count, _wire.Count]:
    """A typical bare job with the function of this name in `_bare`, and a typical one with the handler."""
    _site.factory.wipe()
    _site.job_type("benchmark", handler)
    bare, ours = [], []
    with _wire.counted() as relay, _workers.workers(1):
        frappe.set_user(user)
        for _ in range(WARM_UP + COUNTED):
            bare.append(count_one(relay, lambda: _site.enqueue(getattr(_bare, handler))))
            ours.append(count_one(relay, _site.submit))
        if _site.completed() != WARM_UP + COUNTED:
            raise SystemExit("Not every job was completed: see the worker's log.")
    return typical(bare[WARM_UP:]), typical(ours[WARM_UP:])


def cost(report: _report.Report, name: str, bare: _wire.Count, ours: _wire.Count) -> None:
    rows = [
        [label, len(count.work), count.commits, count.writing_commits]
        for label, count in (("frappe.enqueue", bare), ("submit_job", ours))
    ]
    beyond = [b - a for a, b in zip(rows[0][1:], rows[1][1:], strict=True)]
    report.table([name, "statements", "commits", "of them writing"], [*rows, ["beyond", *beyond]])
    report.target(f"{name}: statements beyond bare enqueue", beyond[0], 11)
    report.target(f"{name}: commits beyond bare enqueue", beyond[1], 5)
    print()


def main() -> None:
    report = _report.Report("job_cost: one job beside the same by bare frappe.enqueue")
    with _site.site():
        print(_report.where())
        user = _site.member()
        no_op, one_row = (count_both(handler, user) for handler in ("nothing", "write"))
    print("No-op, from the return of the call to the end of the work-horse (+ submit_job, - frappe.enqueue only):\n")
    print(difference(*no_op), "\n")
    cost(report, "no-op", *no_op)
    cost(report, "writes a row", *one_row)
    report.exit()


if __name__ == "__main__":
    main()
