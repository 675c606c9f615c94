"""No organization starves another (R15)."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs import admission, queue_look, submit_job, submit_jobs
from tests.support import database, factory
from tests.support.jobs import set_columns
from tests.support.settings import settings
from tests.support.waiting import until

DAY = 86_400
DONE = "SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Completed' AND organization = %s"
DELAY = "SELECT TIMESTAMPDIFF(MICROSECOND, created_at, started_at) / 1e6 FROM `tabBackground Job` WHERE name = %s"


@pytest.fixture
def job_type(site: None) -> str:
    name = factory.job_type("row", "write_row")
    frappe.db.commit()
    return name


@pytest.fixture
def heavy_beta(site: None) -> Iterator[None]:
    """Test Beta counts for three."""
    frappe.db.set_value("Organization", factory.BETA, "weight", 3)
    frappe.db.commit()
    yield
    frappe.db.set_value("Organization", factory.BETA, "weight", 1)
    frappe.db.commit()


def submit_many(job_type: str, organization: str, number: int, priority: str = "Normal") -> None:
    request = {"job_type": job_type, "organization": organization, "priority": priority}
    submit_jobs({**request, "parameters": {"seconds": 0.05, "n": n}} for n in range(number))
    frappe.db.commit()


def delay(job) -> float | None:
    """Seconds from submit to start; None before."""
    return database.value(DELAY, job.name)


def started_before(job) -> int:
    """How many of Test Alpha's jobs."""
    return database.value(
        "SELECT COUNT(*) FROM `tabBackground Job` a JOIN `tabBackground Job` b ON b.name = %s"
        " WHERE a.organization = %s AND a.started_at <= b.started_at",
        job.name,
        factory.ALPHA,
    )


@pytest.mark.timeout(600)
def test_one_job_starts_soon_though_another_organization_has_thousands_waiting(workers, job_type, size):
    submit_many(job_type, factory.ALPHA, 2_000)
    until(lambda: database.value(DONE, factory.ALPHA) > 5, 60, "the first ones")
    delays = []
    for number in range(size(20, 60)):
        job = submit_job(job_type, factory.BETA, {"seconds": 0.05, "n": number})
        frappe.db.commit()
        delays.append(float(until(lambda job=job: delay(job), 30, "the start")))
    print("seconds until the start:", sorted(delays))
    assert database.value(DONE, factory.ALPHA) < 2_000, "others were waiting all the time"
    assert sorted(delays)[int(len(delays) * 0.95) - 1] <= 2


@pytest.mark.timeout(600)
def test_weights_share_out_the_workers(workers, job_type, heavy_beta):
    queue_look.note_end("default", job_type, 0.05)  # a quick one, for a window of eight
    submit_many(job_type, factory.ALPHA, 300)
    submit_many(job_type, factory.BETA, 300)
    until(lambda: database.value(DONE, factory.BETA) >= 60, 120, "sixty of Beta's jobs")
    alpha, beta = database.value(DONE, factory.ALPHA), database.value(DONE, factory.BETA)
    print(f"Alpha {alpha}, Beta {beta}")
    assert 2 <= beta / (alpha - 8) <= 4.5, "three to one, but for Alpha's first window"


@pytest.mark.timeout(600)
def test_behind_long_jobs_of_another_organization_one_waits_for_few(workers, job_type):
    # Seen failing (after nine) with a window that knows nothing of run times.
    parameters = ({"seconds": 1.5, "n": n} for n in range(16))
    jobs = submit_jobs({"job_type": job_type, "organization": factory.ALPHA, "parameters": each} for each in parameters)
    frappe.db.commit()
    until(lambda: delay(jobs[0]), 30, "the first one")
    late = submit_job(job_type, factory.BETA, {"seconds": 0})
    frappe.db.commit()
    until(lambda: delay(late), 60, "the start")
    assert started_before(late) <= 2 + 3, "two run, and three are in RQ"


@pytest.mark.timeout(600)
def test_a_normal_job_starts_soon_though_another_organization_floods_the_first_queue(workers, job_type):
    # Seen failing (after all of Alpha's) without `lifting`: both workers serve `short` before `default`.
    submit_many(job_type, factory.ALPHA, 400, "High")
    until(lambda: database.value(DONE, factory.ALPHA) > 5, 60, "the first ones")
    for priority in ("Normal", "Low"):
        job = submit_job(job_type, factory.BETA, {"seconds": 0.05, "of": priority}, priority=priority)
        frappe.db.commit()
        print(priority, until(lambda job=job: delay(job), 30, "the start"))
    assert database.value(DONE, factory.ALPHA) < 380, "others were waiting all the time"


@pytest.mark.timeout(600)
def test_a_low_job_that_has_waited_for_long_goes_before_its_organizations_others(workers, job_type):
    # Seen failing likewise.
    with settings(is_paused=1):
        job = submit_job(job_type, factory.ALPHA, {"seconds": 0.05, "of": "Low"}, priority="Low")
        frappe.db.commit()
        set_columns(job, due_epoch=job.due_epoch - 2 * DAY, admission_rank=job.due_epoch - 2 * DAY + 3_600)
        submit_many(job_type, factory.ALPHA, 400)
    admission.admit_all()
    until(lambda: delay(job), 30, "the start")
    assert database.value(DONE, factory.ALPHA) < 380
