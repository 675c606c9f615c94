"""RQ entries ring for a worker, and are few (`doorbells`): how many, whose, where, what if they are lost."""

from __future__ import annotations

import re

import frappe
import pytest
import redis
from frappe.utils.background_jobs import generate_qname
from rq import Queue
from rq.job import Job

from dartwing_core.jobs import cancel_job, executor, get_job_history, submit_job
from dartwing_core.jobs.job import find
from dartwing_core.jobs.line import claim, queue_view
from dartwing_core.jobs.rq import doorbells, redis_queue
from dartwing_core.jobs.sweep import sweeper
from tests.support import database, factory, processes
from tests.support.jobs import set_columns, status, submit_many, submitted, submitted_with
from tests.support.queues import listed, serve, take_out
from tests.support.sessions import committed, in_parallel

pytestmark = pytest.mark.usefixtures("no_sweeps")

QUEUE = "default"


def entries() -> int:
    """How many of RQ's records there are, of all queues."""
    return len(processes.queue_client().keys("rq:job:*"))


def entry_of(job) -> Job:
    """The entry that names this job, as RQ reads it."""
    client = processes.queue_client()
    (key,) = (key for key in client.keys("rq:job:*") if job.name.encode() in key)
    return Job.fetch(key.decode().removeprefix("rq:job:"), connection=client)


def others_entry(queue: str = QUEUE) -> str:
    """An entry of another app; its id."""
    client = processes.queue_client()
    return Queue(generate_qname(queue), connection=client).enqueue("frappe.ping", job_id=frappe.generate_hash()).id


def whose() -> str:
    """Of the entries in the queue's list, from the first to the last: "o" for ours, "t" for theirs."""
    entries = processes.queue_client().lrange(f"rq:queue:{generate_qname(QUEUE)}", 0, -1)
    return "".join("o" if b"JOB-" in entry else "t" for entry in entries)


# How many


@pytest.mark.parametrize("serving", [0, 3])
def test_there_are_as_many_entries_as_workers_and_one_more(job_type, serving):
    for number in range(serving):
        serve(f"worker-{number}", QUEUE)
    submit_many(job_type, 10)
    assert entries() == len(listed(QUEUE)) == serving + 1
    submitted(job_type, late=1)
    sweeper.sweep()
    assert entries() == len(listed(QUEUE)) == serving + 1


def test_each_queue_has_entries_of_its_own(job_type):
    serve("one", "short", QUEUE)
    serve("two", QUEUE)
    other = factory.job_type("other", queue="short")
    submit_many(job_type, 5)
    submit_many(other, 5)
    assert (len(listed(QUEUE)), len(listed("short"))) == (3, 2)


def test_many_submitters_at_once_make_no_more_entries(job_type):
    serve("one", QUEUE)

    def submit(number: int) -> None:
        frappe.set_user("Administrator")
        for n in range(5):
            committed(submit_job, job_type, factory.ALPHA, {"number": number, "n": n})

    found = in_parallel([lambda number=number: submit(number) for number in range(8)])
    assert not [error for error in found if isinstance(error, BaseException)], found
    assert entries() == len(listed(QUEUE)) == 2
    assert database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Queued'") == 40


def test_an_entry_that_is_answered_makes_room_for_another(job_type, monkeypatch):
    submit_many(job_type, 3)
    assert len(listed(QUEUE)) == 1
    client = processes.queue_client()
    entry = Job.fetch(client.lpop(redis_queue.list_key(QUEUE)).decode(), connection=client)
    monkeypatch.setattr(doorbells, "get_current_job", lambda: entry)
    assert doorbells.accept_entry().id == entry.id
    assert queue_view.ring_for_line() == 1
    assert len(listed(QUEUE)) == 1


# Of whom


def test_an_entry_names_a_job_and_carries_its_time_limit(job_type):
    # What Desk's list of RQ jobs shows, and what RQ ends a process by.
    job = submitted_with(factory.job_type("slow", default_timeout=77), parameters={"n": 1})
    entry = entry_of(job)
    assert entry.timeout == 77
    assert entry.description == f"{job.name}, attempt 1"
    assert entry.kwargs["kwargs"] == {"background_job": job.name, "attempt": 1}
    assert entry.kwargs["method"] == redis_queue.EXECUTE
    assert re.search(rf"\b{job.name}-1-[0-9a-f]{{6}}$", entry.id)
    assert entry.get_status() == "queued"


def test_who_waits_for_a_time_or_a_job_rings_for_nobody(job_type):
    first = submitted(job_type)
    processes.queue_client().flushdb()
    submitted_with(job_type, parameters={"n": 2}, available_at=60)
    submitted_with(job_type, parameters={"n": 3}, depends_on=first.name)
    assert listed(QUEUE) == []


def test_who_is_under_a_full_cap_has_no_entry_made_by_the_sweep(job_type):
    # An entry that finds nobody to take would be made again by each sweep.
    capped = factory.job_type("capped", max_concurrent=1)
    running, waits = submitted(capped, n=1), submitted(capped, n=2)
    assert claim.Claimer().claim_next().name == running.name
    processes.queue_client().flushdb()
    sweeper.sweep()
    assert (status(waits), entries()) == ("Queued", 0)
    set_columns(running, status="Completed")
    sweeper.sweep()
    assert listed(QUEUE) == [waits.name]


# Entries that are lost


def test_an_entry_that_its_worker_died_with_is_made_again(job_type):
    job = submitted(job_type)
    take_out(QUEUE)
    assert sweeper.sweep().rung == 1
    assert listed(QUEUE) == [job.name]


def test_an_entry_that_waits_in_its_list_is_not_made_again(job_type):
    submitted(job_type)
    for _sweep in range(3):
        assert sweeper.sweep().rung == 0
    assert len(listed(QUEUE)) == 1


def test_a_job_that_is_submitted_while_redis_is_away_is_in_line_and_rung_for_by_the_next_sweep(job_type, monkeypatch):
    port = processes.free_port()
    with monkeypatch.context() as patch:
        patch.setattr(redis_queue, "client", lambda: redis.Redis(port=port))
        job = submitted(job_type)
        assert status(job) == "Queued"
    monkeypatch.setattr(redis_queue.availability, "away_until", 0)
    assert listed(QUEUE) == []
    assert sweeper.sweep().rung == 1
    assert listed(QUEUE) == [job.name]


@pytest.mark.parametrize("end", ["canceled", "changed by hand", "taken by another"])
def test_an_entry_of_a_job_that_is_not_in_line_any_more_does_no_harm(job_type, end):
    job, other = submitted(job_type, n=1), submitted(job_type, n=2)
    if end == "canceled":
        committed(cancel_job, job.name)
    elif end == "changed by hand":
        set_columns(job, status="Canceled")
    else:
        assert claim.Claimer().claim_next().name == job.name
    before = status(job)
    history = len(get_job_history(job.name)["history"])
    executor.execute_job(job.name, 1)
    assert (status(job), status(other)) == (before, "Queued")
    assert len(get_job_history(job.name)["history"]) == history


# Beside entries of other apps


def test_each_entry_stands_behind_one_of_another_apps(job_type):
    # Seen failing with entries at the end of the list: ours would wait for all that another app has put there.
    for number in range(3):
        serve(f"worker-{number}", QUEUE)
    for _entry in range(6):
        others_entry()
    submit_many(job_type, 4)
    assert whose() == "totototott"


def test_a_queue_gives_way_until_the_entry_that_waits_in_a_later_one_is_taken(job_type):
    # Seen failing: the next submit rang in the earlier queue, to which RQ came first, and so for ever.
    submit_many(job_type, 2)
    first, second = others_entry("long"), others_entry("long")
    entry = doorbells.Entry("an-entry", 300, "rq:worker:one", QUEUE, ("short", QUEUE, "long"), behind="long")
    doorbells.give_way(entry)
    assert in_list(QUEUE) == []
    assert in_list("long") == [first, second]
    submitted(job_type, n="behind it")
    assert (listed(QUEUE), len(listed("long"))) == ([], 1)
    assert in_list("long")[0::2] == [first, second]
    doorbells.ring_first(find.load(submitted_with(factory.job_type("next"), parameters={"n": 1}).name), QUEUE)
    assert in_list("long")[0] == first
    assert frappe.db.get_value("Background Job", listed("long")[0], "job_type") == "test_next"
    processes.queue_client().lpop(redis_queue.list_key("long"))
    submitted(job_type, n="after it")
    assert len(listed(QUEUE)) == 1


def in_list(queue: str) -> list[str]:
    """The ids of a queue's entries, from the first to the last."""
    return [one.decode() for one in processes.queue_client().lrange(redis_queue.list_key(queue), 0, -1)]


def test_entries_of_thousands_of_others_hide_none_of_ours(job_type):
    # Seen failing with entries at the end of the list: those behind the first thousand are not counted, and each submit
    # made one more.
    client, key = processes.queue_client(), redis_queue.list_key(QUEUE)
    client.rpush(key, *(f"another-site:{number}" for number in range(1_500)))
    submit_many(job_type, 3)
    for number in range(3):
        submitted(job_type, late=number)
        sweeper.sweep()
    assert len(listed(QUEUE)) == entries() == 1
    client.lpush(key, *(f"a-third-site:{number}" for number in range(1_500)))
    for number in range(3):
        submitted(job_type, later=number)
        sweeper.sweep()
    assert len(listed(QUEUE)) == entries() == 2, "one more near the front, which is counted"
