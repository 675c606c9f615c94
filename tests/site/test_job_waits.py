"""`wait_for_job` answers when a job has ended, waits no longer than allowed, and holds few web processes."""

from __future__ import annotations

import threading
import time

import frappe
import pytest

from dartwing_core.api import jobs
from dartwing_core.jobs import cancel_job
from tests.support import factory
from tests.support.http import Client
from tests.support.jobs import run, submitted_by, submitted_for

pytestmark = pytest.mark.usefixtures("fresh_limits", "no_sweeps")


def waiting(user: str, **values):
    return submitted_by(user, factory.job_type("plain"), **values)


@pytest.mark.parametrize(("end", "status"), [(run, "Completed"), (lambda job: cancel_job(job.name), "Canceled")])
def test_it_answers_soon_after_the_end(client, alice, end, status):
    job, answers = waiting(alice), []
    asker = threading.Thread(target=lambda: answers.append(client.get("wait_for_job", job_id=job.name)))
    asker.start()
    asker.join(1)
    assert asker.is_alive(), "it waits"
    end(job)
    frappe.db.commit()
    asker.join(3)
    assert answers, "it has seen the end"
    assert answers[0].json()["message"]["status"] == status


@pytest.mark.parametrize("seconds", [1, -5])
def test_it_waits_no_longer_than_asked(client, alice, seconds):
    began = time.monotonic()
    answer = client.get("wait_for_job", job_id=waiting(alice).name, seconds=seconds)
    assert answer.json()["message"]["status"] == "Queued"
    assert time.monotonic() - began < max(seconds, 0) + 3


def test_nobody_waits_longer_than_allowed(alice, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_SECONDS", 0.5)
    frappe.set_user(alice)
    began = time.monotonic()
    jobs.wait_for_job(job_id=waiting(alice).name, seconds=10**9)
    assert time.monotonic() - began < 5


def test_a_third_call_of_a_user_is_refused_and_others_wait_all_the_same(web, client, alice, bob):
    # Broken by waiting without a place: a user then holds all web processes.
    job, other = waiting(alice), submitted_for(bob, factory.BETA, factory.job_type("other"))
    answers: list[int] = []

    def ask() -> None:
        asked = Client(web)
        asked.http.headers.update(client.http.headers)
        answers.append(asked.get("wait_for_job", job_id=job.name, seconds=3).status_code)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    of_bob = Client(web).with_token(bob).get("wait_for_job", job_id=other.name, seconds=1)
    for asker in askers:
        asker.join(30)
    assert sorted(answers) == [200, 200, 429]
    assert of_bob.status_code == 200
    assert client.get("wait_for_job", job_id=job.name, seconds=0).status_code == 200, "places are free again"


def test_who_may_not_see_the_job_any_more_waits_no_longer(client, alice):
    job, answers = waiting(alice), []
    asker = threading.Thread(target=lambda: answers.append(client.get("wait_for_job", job_id=job.name)))
    asker.start()
    asker.join(1)
    frappe.db.delete("Org Member", {"user": alice})
    frappe.db.commit()
    asker.join(5)
    assert answers, "it has looked again"
    assert answers[0].status_code == 404
