"""Handlers that end their process, or ask it to end, in a real worker: each job ends, the worker goes on."""

from __future__ import annotations

from dartwing_core.jobs import get_job_history, get_job_status
from tests.support import factory
from tests.support.fleet import Fleet
from tests.support.jobs import status, submitted
from tests.support.rows import notes
from tests.support.waiting import until

# What the first attempt comes to: settled by the executor, ended by the rescue, or not disturbed at all.
FIRST_ENDS = {
    "exit": "Failed, retry 1 of 1",
    "keyboard": "Failed, retry 1 of 1",
    "os_exit": "Worker lost, to be tried again",
    "SIGTERM": "Worker lost, to be tried again",
    "SIGINT": "Job completed successfully",  # a work-horse is deaf to it: Ctrl-C is for its worker to hear
}


def test_a_job_that_ends_its_process_is_settled_or_rescued(fleet: Fleet):
    # Seen failing: "exit" and "keyboard" are lost, not Failed, without `except BaseException` in `Attempt.make`;
    # "os_exit" and "SIGTERM" stay Running without `rescue.sweep` in the sweep.
    job_type = factory.job_type("ending", f"{factory.FAULTS}.ends_its_process", max_retries=1, retry_delays="0")
    fleet.hire(1)
    (worker,) = fleet.workers
    jobs = {what: submitted(job_type, what=what) for what in FIRST_ENDS}
    for what, job in jobs.items():
        until(lambda job=job: status(job) == "Completed", 30, what)
        first = get_job_history(job.name)["history"][3]
        assert first["message"].startswith(FIRST_ENDS[what]), what
        assert get_job_status(job.name)["attempt"] == (1 if what == "SIGINT" else 2)
        assert notes(job) == 1
    assert worker.running
