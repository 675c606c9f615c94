"""Claims the job whose turn it is (`claim`, `queue_view`): turns, order, and nobody in another's way."""

from __future__ import annotations

import frappe
import pytest
import redis

from dartwing_core.jobs import submit_jobs
from dartwing_core.jobs.lib import sql
from dartwing_core.jobs.line import claim, queue_view
from dartwing_core.jobs.rq import redis_queue
from tests.support import database, factory, processes
from tests.support.jobs import submitted
from tests.support.queues import age, one, type_of
from tests.support.sessions import in_parallel

pytestmark = pytest.mark.usefixtures("no_sweeps")


def submit_many(job_type: str, number: int, organization: str = factory.ALPHA, **more) -> list[str]:
    request = {"job_type": job_type, "organization": organization, **more}
    jobs = submit_jobs({**request, "parameters": {"n": n}} for n in range(number))
    frappe.db.commit()
    return [job.name for job in jobs]


def claim_all(claimer: claim.Claimer, most: int = 1_000) -> list[str]:
    """The names of the jobs that are taken one after the other, as long as there are any."""
    names: list[str] = []
    while len(names) < most and (taken := claimer.claim_next()):
        names.append(taken.name)
    return names


def organizations(names: list[str]) -> list[str]:
    return [frappe.db.get_value("Background Job", name, "organization") for name in names]


# In line


# Turns


def test_turns_go_on_from_one_process_to_the_next(job_type):
    # Broken by forgetting the passes: each process would begin with who has waited longest.
    submit_many(job_type, 4)
    submit_many(job_type, 4, factory.BETA)
    names = [name for _process in range(8) for name in claim_all(claim.Claimer(), 1)]
    found = organizations(names)
    assert found == [factory.ALPHA, factory.BETA] * 4


def test_who_had_nothing_in_line_has_saved_up_no_turns(job_type):
    # Broken by keeping the pass of an organization that is gone from the line.
    submit_many(job_type, 1)
    submit_many(job_type, 30, factory.BETA)
    for _process in range(21):
        claim_all(claim.Claimer(), 1)
    submit_many(job_type, 8)
    found = organizations(claim_all(claim.Claimer(), 8))
    assert found.count(factory.ALPHA) in (3, 4, 5), found


def test_who_is_gone_for_a_moment_has_had_its_turns_all_the_same(job_type):
    # Seen failing (9 of 10): a chain, of which one job is in line at a time, began anew with each job.
    submit_many(job_type, 20, factory.BETA)
    submit_many(job_type, 1)
    found = []
    for _turn in range(10):
        found += organizations(claim_all(claim.Claimer(), 1))
        queue_view.read_view()  # another worker's, while the one that runs is not in line
        if found[-1] == factory.ALPHA:
            submit_many(job_type, 1)
    assert found.count(factory.ALPHA) in (4, 5, 6), found


def test_turns_of_one_queue_are_not_held_against_an_organization_in_another():
    # Seen failing (no turn of four): what workers of `short` did for it counted for those of `long`.
    urgent, slow = type_of("first"), type_of("second", queue="long")
    submit_many(urgent, 8, priority="High")
    claim_all(claim.Claimer(["short"]))
    submit_many(urgent, 1, priority="High")
    claim_all(claim.Claimer(["long"]))
    submit_many(slow, 4, factory.BETA)
    claim_all(claim.Claimer(["long"]), 1)
    submit_many(slow, 1)
    assert factory.ALPHA in organizations(claim_all(claim.Claimer(["long"]), 2))


# Order


def test_priority_is_a_head_start_and_then_the_due_time_counts(job_type):
    jobs = {priority: one(job_type, priority) for priority in ("Low", "Normal", "High", "Critical")}
    old = one(job_type, "Normal")
    age(old, 7_200)
    expected = [jobs["Critical"], old, jobs["High"], jobs["Normal"], jobs["Low"]]
    assert claim_all(claim.Claimer()) == [job.name for job in expected]


def test_a_worker_takes_from_the_queues_that_it_serves_alone():
    job_type, other = type_of("first"), type_of("second", queue="long")
    urgent, slow = one(job_type, "High"), one(other, "Critical")
    assert claim_all(claim.Claimer(["long"])) == [slow.name]
    assert claim_all(claim.Claimer(["default"])) == []
    assert claim_all(claim.Claimer(["short", "default"])) == [urgent.name]


# In nobody's way


def test_a_job_that_somebody_holds_is_passed_by_at_once(job_type):
    held, free = submitted(job_type, n=1), submitted(job_type, n=2)
    with database.another_connection() as other, other.cursor() as cursor:
        other.begin()
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (held.name,))
        assert claim_all(claim.Claimer()) == [free.name]
        other.rollback()
    assert claim_all(claim.Claimer()) == [held.name]


def test_many_takers_at_once_take_each_job_once(job_type):
    # Seen failing with a locking read along the line's index: claimers lock gaps in which others' jobs end up (1213).
    names = submit_many(job_type, 100) + submit_many(job_type, 100, factory.BETA)
    taken = in_parallel([lambda: claim_all(claim.Claimer())] * 6)
    assert not [found for found in taken if isinstance(found, BaseException)], taken
    assert sorted(name for found in taken for name in found) == sorted(names)
    assert database.value("SELECT MAX(attempt) FROM `tabBackground Job` WHERE job_type = %s", job_type) == 1


# Held


# What it costs


def test_a_look_serves_several_jobs(job_type, monkeypatch):
    submit_many(job_type, 5)
    claimer = claim.Claimer()
    assert claimer.claim_next()
    monkeypatch.setattr(queue_view, "read_view", None)
    claimer.view.good_until = float("inf")
    log: list = []
    with database.statements() as seen:
        assert claimer.claim_with_settle(log)
    assert len(seen) == 2, seen  # the job with its owner's standing, and its start
    assert len(log) == 1
    frappe.db.rollback()


def test_a_later_view_keeps_what_an_earlier_one_has_read_ahead(job_type, monkeypatch):
    # Read anew with each view, the names of 20 organizations cost a statement for each job.
    monkeypatch.setattr(queue_view, "SHARE", 0)  # each claim has a view of its own
    names = [*submit_many(job_type, 4), *submit_many(job_type, 4, factory.BETA)]
    claimer = claim.Claimer()
    with database.statements() as seen:
        taken = claim_all(claimer, 4)
        own = submitted(job_type)
        age(own, 3_600)  # in front of all that were read
        frappe.db.commit()
        taken += [claimer.claim_next().name, claimer.claim_next().name]
        others = claim.Claimer().claim_next().name
        taken += claim_all(claimer)
    assert own.name in taken[4:6], "who gets in front meanwhile is next"
    assert sorted([*taken, others]) == sorted([*names, own.name]), "each once"
    ahead = [statement for statement in seen if "`name`,`admission_rank`" in statement]
    assert len(ahead) <= 6, ahead


def test_workers_of_one_line_do_not_run_into_each_other(job_type):
    # Broken by taking one after the other as read ahead: each would find every second one taken, and ask in vain.
    names = submit_many(job_type, 40)
    claimers = [claim.Claimer(workers=2) for _worker in range(2)]
    taken = [claimer.claim_next() for claimer in claimers]
    for claimer in claimers:
        claimer.view.good_until = float("inf")
    with database.statements() as seen:
        while True:
            found = [claimer.claim_with_settle([]) for claimer in claimers]
            frappe.db.commit()
            if not any(found):
                break
            taken += found
    assert sorted(job.name for job in taken if job) == sorted(names), "each once, and none is left"
    assert [job.name for job in taken[:2]] == names[:2], "who looks anew takes the first"
    assert len([statement for statement in seen if "SKIP LOCKED" in statement]) <= 1.3 * len(names)


def test_who_takes_a_job_locks_neither_its_owner_nor_its_organization(job_type):
    job = submitted(job_type)
    claimer = claim.Claimer()
    assert claimer.claim_next()
    assert not claimer.claim_next()
    submit_many(job_type, 1)
    claimer.view = queue_view.read_view()
    assert claimer.claim_with_settle([]), "not committed yet"
    with database.another_connection() as other, other.cursor() as cursor:
        for table, name in (("User", job.owner_user), ("Organization", job.organization)):
            cursor.execute(f"SELECT name FROM `tab{table}` WHERE name = %s FOR UPDATE NOWAIT", (name,))
            assert cursor.fetchall()
    frappe.db.rollback()


def test_passes_that_redis_does_not_answer_are_all_level(job_type, monkeypatch):
    submit_many(job_type, 1)
    submit_many(job_type, 1, factory.BETA)
    port = processes.free_port()
    monkeypatch.setattr(redis_queue, "client", lambda: redis.Redis(port=port))
    assert len(claim_all(claim.Claimer())) == 2


def test_each_turn_is_told_with_its_start_and_not_where_that_is_undone(job_type):
    # Seen failing: told later, a turn brought back an old pass, and all others waited until it had caught up.
    submit_many(job_type, 4)
    claimer, key = claim.Claimer(), redis_queue.site_key("turns:*")

    def told() -> float:
        return float(processes.queue_client().hget(key, factory.ALPHA) or 0)

    assert claimer.claim_next()
    claimer.view.good_until = float("inf")
    first = told()
    assert claimer.claim_with_settle([])
    sql.commit()
    assert told() == pytest.approx(first + 1)
    assert claimer.claim_with_settle([])
    sql.rollback()
    assert claimer.claim_with_settle([])
    sql.commit()
    assert told() == pytest.approx(first + 2)
