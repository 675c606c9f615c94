"""The watch over due work outlasts its leader, what Redis held, and the database. What has ended is started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs.rq import due_sites
from tests.support import factory, layouts, mariadb, processes
from tests.support.jobs import status, submitted_with
from tests.support.layouts import LAYOUTS
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(1_800)

SUPERVISED = [name for name in LAYOUTS if name.startswith(("A", "C"))]


@pytest.fixture(params=SUPERVISED)
def restart_ended(site, request, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """A function that starts those processes of a layout anew of which one has ended."""
    sites = processes.Sites(tmp_path / "bench")
    running: dict[str, tuple[ExitStack, list[processes.Process]]] = {}

    def start() -> None:
        for name in LAYOUTS[request.param]:
            if name in running and all(process.running for process in running[name][1]):
                continue
            if name in running:
                running[name][0].close()
            stack = ExitStack()
            running[name] = stack, stack.enter_context(layouts.running([name], sites))

    start()
    yield start
    for stack, _processes in running.values():
        stack.close()


def kill_leader() -> None:
    holder = until(layouts.leader, 30, "a leader")
    os.kill(int(holder.split()[1]), signal.SIGKILL)


def flush_redis() -> None:
    processes.queue_client().flushall()


def restart_database() -> None:
    mariadb.stop()
    mariadb.start()


FAULTS = [kill_leader, flush_redis]
if mariadb.is_ours():
    FAULTS.append(restart_database)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_due_starts_after_each_fault(restart_ended, size, fault):
    # Seen failing after a flush: nobody rang, since RQ's workers do not register again.
    for number in range(size(2, 20)):
        waiting = submitted_with("echo_job", parameters={"n": number}, available_at=3)
        fault()
        # A killed pool leaves workers without anybody who watches: a supervisor starts it again.
        ended = lambda job=waiting: restart_ended() or status(job) == "Completed"  # noqa: E731
        until(ended, due_sites.ANYWAY + 20, "the job from before")
        job = submitted_with("echo_job", parameters={"later": number}, available_at=1)
        until(lambda job=job: status(job) == "Completed", 15, "a job from after it")
    factory.wipe()
    frappe.db.commit()
