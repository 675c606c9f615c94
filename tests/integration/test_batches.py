"""Batches: what they are made of, when they end, their callbacks, and what is done to them as a whole."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import (
    BatchNotFoundError,
    DuplicateJobError,
    InvalidJobError,
    InvalidTransitionError,
    batch,
    bulk_retry_dead_letter,
    cancel_batch,
    cancel_job,
    chain,
    executor,
    get_batch_status,
    get_job_status,
    group,
    job,
    list_batches,
    list_jobs,
    retry_batch,
    retry_job,
    submit_batch,
)
from dartwing_core.jobs.attempt import outcome
from dartwing_core.jobs.db import sql
from dartwing_core.jobs.ending import batch_cancel, batch_end
from dartwing_core.jobs.recovery import rescue, sweeper
from dartwing_core.jobs.store import batch_store
from tests.support import attempts, factory
from tests.support.database import statements
from tests.support.jobs import lose, status, submitted_with
from tests.support.sessions import in_parallel

pytestmark = pytest.mark.usefixtures("no_sweeps")

CALLBACKS = ("on_complete", "on_success", "on_failure")


@pytest.fixture
def step():
    """`step(key, *plan)`: a job that ends as planned."""
    job_type = factory.job_type("step", "scripted", max_retries=1)
    factory.job_type("told", "told")
    frappe.db.commit()
    return lambda key, *plan, **more: job(job_type, {"plan": plan or ("ok",), "key": key}, key=key, **more)


def made(*parts, callbacks=CALLBACKS, **more):
    """A batch of Test Alpha with these callbacks, committed."""
    wanted = {kind: job("test_told", {"kind": kind}) for kind in callbacks}
    found = batch(*parts, **wanted, **more).submit(factory.ALPHA)
    frappe.db.commit()
    return found


def members(found) -> dict[str, str]:
    """The members' names by their keys."""
    frappe.db.rollback()
    rows = frappe.get_all("Background Job", {"parent_batch": found.name}, ["job_key", "name"])
    return {row.job_key: row.name for row in rows}


def run(name: str, times: int = 1) -> None:
    for _time in range(times):
        executor.execute_job(name, frappe.db.get_value("Background Job", name, "attempt") + 1)
        frappe.db.rollback()


def work() -> list[str]:
    """Run all there is to run; the keys and callbacks in their order."""
    done = []
    while name := attempts.run_next():
        found = frappe.db.get_value("Background Job", name, ["job_key", "input_parameters"])
        done.append(found[0] or json.loads(found[1])["kind"])
    return done


def state(found) -> str:
    frappe.db.rollback()
    return get_batch_status(found.name)["status"]


def callbacks(found) -> dict[str, str]:
    """Which callbacks were made, with their jobs; and that each was made once."""
    frappe.db.rollback()
    status = get_batch_status(found.name)
    jobs = frappe.get_all("Background Job", {"callback_of": found.name}, pluck="name")
    noted = {kind: status[f"{kind}_job"] for kind in CALLBACKS if status[f"{kind}_job"]}
    assert sorted(noted.values()) == sorted(jobs)
    return noted


# Order --------------------------------------------------------------------------------------------------------------


def test_a_chain_runs_one_after_the_other(step):
    found = made(chain(step("a"), step("b"), step("c")), callbacks=())
    assert work() == ["a", "b", "c"]
    assert state(found) == "Completed"


def test_a_group_within_a_chain_waits_for_all_and_is_waited_for(step):
    found = made(chain(step("a"), group(step("b"), chain(step("c"), step("d"))), step("e")), callbacks=())
    names = members(found)
    parents = {key: set(get_job_status(name)["parents"]) for key, name in names.items()}
    expected = {"a": "", "b": "a", "c": "a", "d": "c", "e": "bd"}
    assert parents == {key: {names[parent] for parent in parents_of} for key, parents_of in expected.items()}
    order = work()
    assert (order[0], order[-1]) == ("a", "e")
    assert state(found) == "Completed"


def test_groups_that_follow_each_other_connect_all_with_all(step):
    found = made(chain(group(step("a"), step("b")), group(), group(step("c"), step("d"))), callbacks=())
    names = members(found)
    for key in "cd":
        assert get_job_status(names[key])["parents"] == sorted([names["a"], names["b"]])


def test_keys_and_other_jobs_may_be_depended_on_too(step):
    other = submitted_with("test_step", parameters={"plan": ["ok"], "key": "x"})
    found = made(step("b", depends_on=["a", other.name]), step("a"), callbacks=())
    names = members(found)
    assert get_job_status(names["b"])["parents"] == sorted([names["a"], other.name])


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (["job"], "must be a job, a chain or a group"),
        ([{"chain": "abc"}], "jobs must be a list"),
        ([{"chain": [], "group": []}], "holds nothing beside its parts"),
        ([{"chain": [], "job_type": "test_step"}], "holds nothing beside its parts"),
        ([{"job_type": "test_step", "organization": factory.BETA}], "of its organization"),
        ([{"job_type": "nowhere"}], "Unknown Job Type"),
        ([{"parameters": {}}], "job_type is missing"),
        ([{"job_type": "test_step", "after": [1]}], "Unknown argument"),
        ([{"job_type": "test_step", "depends_on": "a", "key": "a"}], "can't depend on itself"),
        (
            [chain(job("test_step", key="a", depends_on="b"), job("test_step", {"n": 1}, key="b"))],
            "wait for each other",
        ),
        ([], "needs a job"),
        ("abc", "jobs must be a list"),
    ],
)
def test_what_can_t_be_is_refused_with_the_reason(step, parts, reason):
    with pytest.raises(InvalidJobError, match=reason):
        submit_batch(factory.ALPHA, parts)
    assert not frappe.db.count("Job Batch", {"organization": factory.ALPHA})


def test_nesting_and_connections_have_limits(step):
    deep = step("a")
    for _level in range(60):
        deep = group(deep)
    wide = group(*(job("test_step", {"n": n}) for n in range(400)))
    for parts, reason in (([deep], "a chain or a group"), ([chain(wide, wide)], "100000 dependencies")):
        with pytest.raises(InvalidJobError, match=reason):
            submit_batch(factory.ALPHA, parts)


@pytest.mark.parametrize(
    ("callback", "reason"),
    [
        ("told", "must be a job with job_type"),
        ({"job_type": "test_told", "key": "a"}, "must be a job with job_type"),
        ({"job_type": "nowhere"}, "Unknown Job Type"),
        ({"job_type": "test_told", "parameters": [1]}, "must be an object"),
        ({"job_type": "test_told", "organization": factory.BETA}, "of its organization"),
    ],
)
def test_a_callback_that_can_t_be_is_refused_at_submit(step, callback, reason):
    with pytest.raises(InvalidJobError, match=reason):
        submit_batch(factory.ALPHA, [step("a")], on_success=callback)


def test_a_callback_of_a_disabled_type_is_refused_at_submit(step):
    frappe.db.set_value("Job Type", "test_told", "is_enabled", 0)
    frappe.clear_document_cache("Job Type", "test_told")
    with pytest.raises(InvalidJobError, match="disabled"):
        made(step("a"))


def test_a_batch_is_its_caller_s_transaction(step):
    for undo in (lambda: frappe.db.rollback(), lambda: frappe.db.rollback(save_point="before_batch")):
        frappe.db.savepoint("before_batch")
        batch(step("a"), step("b")).submit(factory.ALPHA)
        undo()
        frappe.db.commit()
        assert not frappe.db.count("Job Batch", {"organization": factory.ALPHA})
        assert not frappe.db.count("Background Job", {"job_type": "test_step"})


def test_one_bad_job_refuses_the_whole(step):
    once = factory.job_type("once", deduplication_window=300)
    with pytest.raises(DuplicateJobError):
        batch(step("a"), job(once), job(once)).submit(factory.ALPHA)
    assert not frappe.db.count("Job Batch", {"organization": factory.ALPHA})


def test_an_equal_job_that_exists_is_no_member(step):
    once = factory.job_type("once", deduplication_window=300)
    existing = submitted_with(once)
    found = made(chain(job(once, on_duplicate="return"), step("a")), callbacks=())
    assert get_batch_status(found.name)["size"] == 1
    assert get_job_status(members(found)["a"])["parents"] == [existing.name]


# The end --------------------------------------------------------------------------------------------------------------


def test_all_completed_makes_the_callbacks_of_success(step):
    found = made(step("a"), step("b"))
    run(members(found)["a"])
    assert (state(found), callbacks(found)) == ("Running", {})
    run(members(found)["b"])
    assert state(found) == "Completed"
    assert callbacks(found).keys() == {"on_complete", "on_success"}
    assert sorted(work()[-2:]) == ["on_complete", "on_success"]


def test_a_failure_makes_its_callback_at_once_and_once(step):
    found = made(step("a", "dead"), step("b", "dead"), step("c"))
    names = members(found)
    run(names["a"])
    assert (state(found), callbacks(found).keys()) == ("Running", {"on_failure"})
    run(names["b"])
    assert callbacks(found).keys() == {"on_failure"}
    run(names["c"])
    assert (state(found), callbacks(found).keys()) == ("Failed", {"on_failure", "on_complete"})


def test_a_job_that_awaits_its_retry_keeps_the_batch_open(step):
    found = made(step("a", "fail", "ok"))
    run(members(found)["a"])
    assert (state(found), callbacks(found)) == ("Running", {})


def test_a_canceled_last_job_ends_the_batch(step):
    found = made(step("a"), step("b"))
    names = members(found)
    run(names["a"])
    cancel_job(names["b"])
    frappe.db.commit()
    assert (state(found), callbacks(found).keys()) == ("Failed", {"on_failure", "on_complete"})


def test_a_job_that_ends_with_its_parent_ends_the_batch(step):
    found = made(chain(step("a", "dead"), step("b")))
    run(members(found)["a"])
    assert (state(found), callbacks(found).keys()) == ("Failed", {"on_failure", "on_complete"})


def test_the_callback_gets_the_batch_and_runs_as_its_owner(step, alice):
    frappe.set_user(alice)
    found = made(step("a"), callbacks=("on_success",))
    frappe.set_user("Administrator")
    run(members(found)["a"])
    (name,) = callbacks(found).values()
    run(name)
    told = get_job_status(name)
    assert told["result"] == {"batch_id": found.name, "parameters": {"kind": "on_success", "batch_id": found.name}}
    assert (told["owner_user"], told["organization"]) == (alice, factory.ALPHA)


def test_members_know_their_batch(step):
    found = made(job("test_told", {"kind": "member"}, key="a"), callbacks=())
    run(members(found)["a"])
    assert get_job_status(members(found)["a"])["result"]["batch_id"] == found.name


def test_a_batch_without_new_jobs_succeeds_at_once(step):
    found = made(group())
    assert (state(found), callbacks(found).keys()) == ("Completed", {"on_complete", "on_success"})
    assert get_batch_status(found.name)["progress"] == 100


def test_a_callback_is_made_as_it_was_submitted_even_if_its_type_is_gone(step):
    found = made(step("a"), callbacks=("on_success",))
    frappe.delete_doc("Job Type", "test_told", force=True)
    frappe.db.commit()
    run(members(found)["a"])
    (name,) = callbacks(found).values()
    run(name)
    assert "does not exist any more" in get_job_status(name)["error_message"]


def test_an_end_that_was_missed_is_found_by_a_sweep(step, monkeypatch):
    found = made(step("a", "dead"), step("b"))
    monkeypatch.setattr(batch_end, "close_ended", lambda _names: 0)
    run(members(found)["a"])
    assert callbacks(found) == {}
    assert sweeper.sweep().batches == 1
    assert callbacks(found).keys() == {"on_failure"}
    run(members(found)["b"])
    assert sweeper.sweep().batches == 1
    assert (state(found), sweeper.sweep().batches) == ("Failed", 0)
    assert callbacks(found).keys() == {"on_failure", "on_complete"}


def test_the_last_job_may_end_while_the_failure_of_another_is_being_told(step, monkeypatch):
    # Seen failing without a second look: who ends the last one finds the batch locked, and leaves it to a sweep.
    found = made(step("a", "dead"), step("b"))
    names = members(found)
    load, others = batch_store.load, [lambda: executor.execute_job(names["b"], 1)]

    def meanwhile(*arguments):
        while others:
            assert in_parallel([others.pop()]) == [None]
        return load(*arguments)

    monkeypatch.setattr(batch_store, "load", meanwhile)
    run(names["a"])
    assert (state(found), callbacks(found).keys()) == ("Failed", {"on_failure", "on_complete"})


def test_a_job_that_is_rescued_in_vain_ends_its_batch(step):
    # Seen failing when `rescue` tells nobody: with many batches, many sweeps pass before this one is looked at.
    found = made(chain(step("a"), step("b")))
    names = members(found)
    values = {"status": "Running", "attempt": 1, "crash_count": outcome.MAX_CRASHES - 1}
    frappe.db.set_value("Background Job", names["a"], values)
    lose(frappe._dict(name=names["a"]))
    assert rescue.rescue_lost() == 1
    assert (state(found), status_of(names["b"])) == ("Failed", "Dead Letter")


def test_a_batch_ends_with_the_jobs_of_another_one(step):
    # Seen failing when the cancel looks after its own batch alone.
    first = made(step("a"), callbacks=())
    second = made(step("b", depends_on=members(first)["a"]), callbacks=())
    cancel_batch(first.name)
    frappe.db.commit()
    assert (state(first), state(second)) == ("Canceled", "Failed")


def test_running_batches_hide_no_other_from_the_sweep(step, monkeypatch):
    monkeypatch.setattr(batch_cancel, "BATCHES", 2)
    found = [made(step(f"a{n}"), callbacks=()) for n in range(5)]
    monkeypatch.setattr(batch_end, "close_ended", lambda _names: 0)
    for last in (found[4], found[0]):
        (name,) = members(last).values()
        run(name)
        assert sum(sweeper.sweep().batches for _ in range(4)) == 1
        assert state(last) == "Completed"


# As a whole -----------------------------------------------------------------------------------------------------------


def test_progress_counts_the_jobs_by_status(step):
    found = made(step("a"), step("b", "dead"), step("c"), step("d", available_at=3600), callbacks=())
    names = members(found)
    run(names["a"])
    run(names["b"])
    told = get_batch_status(found.name)
    assert told["job_count_by_status"] == {"Completed": 1, "Dead Letter": 1, "Queued": 1, "Pending": 1}
    assert (told["progress"], told["size"], told["batch_id"]) == (50.0, 4, found.name)
    assert list_jobs(batch=found.name)["total"] == 4


def test_progress_is_100_when_all_have_ended_and_not_before(step, monkeypatch):
    # Seen failing with `round`.
    found = made(step("a"), callbacks=())
    monkeypatch.setattr(batch_store, "counts", lambda _name: {"Completed": 9_999, "Queued": 1})
    assert get_batch_status(found.name)["progress"] == 99.9


def test_cancel_ends_what_waits_and_asks_what_runs(step):
    found = made(chain(step("a"), step("b")), step("c"), step("d", "fail", "ok"), step("e"))
    names = members(found)
    run(names["c"])
    run(names["d"])
    outside = submitted_with(
        "test_step", parameters={"plan": ["ok"], "key": "x"}, depends_on=[names["b"]], on_parent_failure="cancel"
    )
    cancel_batch(found.name, "wrong file")
    assert status(outside) == "Pending"
    frappe.db.rollback()
    cancel_batch(found.name, "wrong file")
    frappe.db.commit()
    frappe.db.rollback()
    counts = get_batch_status(found.name)["job_count_by_status"]
    assert counts == {"Completed": 1, "Canceled": 4}
    assert (state(found), callbacks(found).keys()) == ("Canceled", {"on_failure", "on_complete"})
    assert status(outside) == "Canceled", "and not for what happened to a"
    assert attempts.run_next() in callbacks(found).values(), "and neither d nor e"
    with pytest.raises(InvalidTransitionError, match="has ended already"):
        cancel_batch(found.name)


def test_a_cancel_that_broke_off_goes_on_with_the_next_sweep(step, monkeypatch):
    found = made(step("a"), step("b"))
    monkeypatch.setattr(batch_cancel, "drain", lambda *_arguments: 0)
    cancel_batch(found.name, "wrong file")
    frappe.db.commit()
    assert state(found) == "Running"
    monkeypatch.undo()
    sweeper.sweep()
    assert state(found) == "Canceled"


def test_retry_runs_what_failed_and_makes_no_callback_twice(step):
    found = made(step("a", "dead", "ok"), chain(step("b", "dead", "ok"), step("c")), step("d"))
    names = members(found)
    for key in "abd":
        run(names[key])
    assert (state(found), status_of(names["c"])) == ("Failed", "Dead Letter")
    first = callbacks(found)
    told = retry_batch(found.name)
    frappe.db.commit()
    assert (told["retried"], told["skipped"], state(found)) == (3, {}, "Running")
    assert get_batch_status(found.name)["completed_at"] is None
    work()
    assert state(found) == "Completed"
    assert callbacks(found) == first | {"on_success": callbacks(found)["on_success"]}
    with pytest.raises(InvalidTransitionError, match="No job of batch"):
        retry_batch(found.name)


def status_of(name: str) -> str:
    return frappe.db.get_value("Background Job", name, "status")


def test_a_single_retry_opens_the_batch_again(step):
    found = made(step("a", "dead", "ok"), callbacks=("on_success",))
    name = members(found)["a"]
    run(name)
    assert state(found) == "Failed"
    retry_job(name)
    frappe.db.commit()
    assert state(found) == "Running"
    run(name)
    assert (state(found), callbacks(found).keys()) == ("Completed", {"on_success"})


def test_a_job_retried_in_vain_ends_its_batch_again(step):
    # Seen failing when only the job's children are told that its parent will not complete.
    found = made(chain(step("a", "dead"), step("b")), callbacks=())
    names = members(found)
    run(names["a"])
    retry_job(names["b"])
    frappe.db.commit()
    assert (status_of(names["b"]), state(found)) == ("Dead Letter", "Failed")


def test_a_retry_that_is_refused_leaves_its_batch_closed(step):
    # Seen failing when the batch is opened before the job's content is asked for.
    once = factory.job_type("once", "scripted", deduplication_window=1, max_retries=0)
    found = made(job(once, {"plan": ["dead"]}, key="a"), callbacks=())
    run(members(found)["a"])
    frappe.db.sql("UPDATE `tabBackground Job` SET dedup_until = '2020-01-01' WHERE job_type = %s", (once,))
    frappe.db.set_value("Job Batch", found.name, "status", "Canceled")
    frappe.db.commit()
    submitted_with(once, parameters={"plan": ["dead"]})
    for retry in (lambda: bulk_retry_dead_letter(factory.ALPHA, once), lambda: retry_batch(found.name)):
        assert len(retry()["skipped"]) == 1
        frappe.db.commit()
        assert state(found) == "Canceled"


def test_retrying_many_chains_asks_no_more_than_retrying_one(step):
    # Seen failing with one step for each job that is waited for: 156 statements for 50 chains.
    found = made(*(chain(step(f"a{n}", "ok"), step(f"b{n}")) for n in range(20)), callbacks=())
    frappe.db.sql(
        "UPDATE `tabBackground Job` SET status = 'Dead Letter', in_line = 0 WHERE parent_batch = %s", (found.name,)
    )
    frappe.db.commit()
    names = members(found)
    with statements() as asked:
        assert retry_batch(found.name)["retried"] == 40
    assert len(asked) <= 12, asked
    frappe.db.commit()
    for number in range(20):
        assert get_job_status(names[f"b{number}"])["status"] == "Pending"
        assert frappe.db.get_value("Background Job", names[f"b{number}"], "waits_for") == names[f"a{number}"]
    work()
    assert state(found) == "Completed"


def failed_but_for_one(step) -> tuple:
    """A batch, its member that has failed, and the last one that has not ended."""
    found = made(step("a", "dead", "ok"), step("b"), callbacks=("on_complete",))
    names = members(found)
    run(names["a"])
    return found, names["a"], names["b"]


def test_a_batch_is_not_closed_while_a_member_is_being_retried(step):
    # Seen failing when `reopen` leaves a running batch alone.
    found, failed, last = failed_but_for_one(step)
    retry_job(failed)
    assert in_parallel([lambda: executor.execute_job(last, 1)]) == [None]
    frappe.db.commit()
    assert (state(found), callbacks(found)) == ("Running", {})


def test_a_batch_is_closed_by_what_is_true_under_its_lock(step, monkeypatch):
    # Seen failing with a snapshot that is older than the lock.
    found, failed, last = failed_but_for_one(step)
    lock = batch_store.lock

    def retried_meanwhile(name: str) -> bool:
        assert in_parallel([lambda: [retry_job(failed), frappe.db.commit()][1]]) == [None]
        return lock(name)

    monkeypatch.setattr(batch_store, "lock", retried_meanwhile)
    run(last)
    assert (state(found), callbacks(found)) == ("Running", {})


def test_a_retry_leaves_out_what_was_submitted_again_meanwhile(step):
    once = factory.job_type("once", "scripted", deduplication_window=1, max_retries=0)
    parts = [job(once, {"plan": ["dead"], "n": n}, key=str(n)) for n in range(3)]
    found = made(*parts, callbacks=())
    names = members(found)
    for name in names.values():
        run(name)
    frappe.db.sql("UPDATE `tabBackground Job` SET dedup_until = '2020-01-01' WHERE job_type = %s", (once,))
    frappe.db.commit()
    newer = submitted_with(once, parameters={"plan": ["dead"], "n": 1})
    told = retry_batch(found.name)
    assert told["retried"] == 2
    assert list(told["skipped"]) == [names["1"]]
    assert newer.name in told["skipped"][names["1"]]
    keys = frappe.get_all("Background Job", {"job_type": once}, pluck="active_key")
    assert len(set(keys)) == 4


def test_of_two_equal_members_one_is_retried(step):
    once = factory.job_type("once", "scripted", deduplication_window=300)
    found = made(step("a", "dead"), step("b", "dead"), callbacks=())
    names = members(found)
    for name in names.values():
        run(name)
        frappe.db.set_value("Background Job", name, {"job_type": once, "dedup_hash": "f" * 64})
    frappe.db.commit()
    told = retry_batch(found.name)
    assert (told["retried"], len(told["skipped"])) == (1, 1)


def test_a_retry_does_not_undo_a_cancel_that_goes_on(step, monkeypatch):
    # Seen failing when `reopen` takes the request back: the jobs that wait would run after all.
    found = made(step("a", "dead", "ok"), step("b"), callbacks=())
    names = members(found)
    run(names["a"])
    monkeypatch.setattr(batch_cancel, "drain", lambda *_arguments: 0)
    cancel_batch(found.name)
    frappe.db.commit()
    retry_job(names["a"])
    frappe.db.commit()
    monkeypatch.undo()
    sweeper.sweep()
    assert (state(found), status_of(names["a"]), status_of(names["b"])) == ("Canceled", "Canceled", "Canceled")


def test_a_sweep_during_a_cancel_ends_no_job_with_its_parent(step, monkeypatch):
    # Seen failing with the oldest first: the jobs of a chain end in Dead Letter, and their owner is told.
    found = made(chain(step("a"), step("b"), step("c")), callbacks=())
    cancel_some = batch_cancel._cancel

    def before_a_sweep(*arguments):
        sweeper.release_children(10)
        return cancel_some(*arguments)

    monkeypatch.setattr(batch_cancel, "AT_ONCE", 1)
    monkeypatch.setattr(batch_cancel, "_cancel", before_a_sweep)
    cancel_batch(found.name)
    frappe.db.commit()
    frappe.db.rollback()
    assert get_batch_status(found.name)["job_count_by_status"] == {"Canceled": 3}


def test_a_submitter_s_sweep_cancels_a_few_jobs_only(step, monkeypatch):
    # A cancel that broke off may be somebody else's, and of ten thousand jobs. Seen failing without the limit.
    found = made(*(step(str(n)) for n in range(5)), callbacks=())
    monkeypatch.setattr(batch_cancel, "drain", lambda *_arguments: 0)
    cancel_batch(found.name)
    frappe.db.commit()
    monkeypatch.undo()
    sweeper.sweep(2)
    assert get_batch_status(found.name)["job_count_by_status"]["Canceled"] == 2
    sweeper.sweep()
    assert state(found) == "Canceled"


def test_a_retried_batch_can_be_canceled_again(step):
    found = made(step("a", "dead", "ok"), step("b"))
    names = members(found)
    run(names["a"])
    cancel_batch(found.name)
    frappe.db.commit()
    assert state(found) == "Canceled"
    retry_batch(found.name)
    frappe.db.commit()
    sweeper.sweep()
    assert (state(found), status_of(names["a"])) == ("Running", "Queued"), "the cancel is over"


def test_a_running_batch_and_its_jobs_are_not_deleted(step):
    found = made(step("a"), step("b"), callbacks=())
    names = members(found)
    run(names["a"])
    for doctype, name in (("Job Batch", found.name), ("Background Job", names["a"])):
        with pytest.raises(frappe.ValidationError, match="running"):
            frappe.delete_doc(doctype, name)
    run(names["b"])
    frappe.delete_doc("Job Batch", found.name)
    frappe.delete_doc("Background Job", names["a"])
    assert frappe.db.exists("Background Job", names["b"])


@pytest.mark.parametrize("doctype", ["Job Batch", "Background Job"])
def test_what_was_retried_just_now_is_not_deleted(step, doctype):
    # Seen failing when the status is that of the deleter's snapshot. Under snapshot isolation the server objects first.
    found = made(step("a", "dead"), callbacks=())
    name = members(found)["a"]
    run(name)
    assert state(found) == "Failed"
    assert in_parallel([lambda: [retry_job(name), frappe.db.commit()][1]]) == [None]
    with pytest.raises(Exception) as refused:
        frappe.delete_doc(doctype, found.name if doctype == "Job Batch" else name)
    is_refusal = isinstance(refused.value, frappe.ValidationError | frappe.QueryTimeoutError)
    assert is_refusal or sql.is_conflict(refused.value)
    frappe.db.rollback()
    assert state(found) == "Running"
    assert status_of(name) == "Queued"


def test_batches_are_listed_for_those_who_may_see_them(step, alice, bob):
    ours = made(step("a"), callbacks=())
    frappe.set_user(alice)
    theirs = made(step("b"), callbacks=())
    assert [row["batch_id"] for row in list_batches()["batches"]] == [theirs.name]
    with pytest.raises(BatchNotFoundError):
        get_batch_status(ours.name)
    frappe.set_user(bob)
    assert list_batches() == {"batches": [], "total": 0, "limit": 20, "offset": 0}
    for call in (get_batch_status, cancel_batch, retry_batch):
        texts = []
        for name in (ours.name, theirs.name, "BATCH-NOWHERE"):
            with pytest.raises(BatchNotFoundError) as raised:
                call(name)
            texts.append(str(raised.value).replace(name, "$"))
        assert len(set(texts)) == 1
    frappe.set_user("Administrator")
    assert [row["batch_id"] for row in list_batches(factory.ALPHA, "Running")["batches"]] == [theirs.name, ours.name]
    with pytest.raises(InvalidJobError, match="Unknown status"):
        list_batches(status="Pending")


def test_a_batch_is_read_by_who_may_see_it_and_written_by_nobody(step, alice, bob):
    frappe.set_user(alice)
    document = frappe.get_doc("Job Batch", made(step("a"), callbacks=()).name)
    frappe.set_user("Administrator")
    assert frappe.has_permission("Job Batch", "read", doc=document, user=alice)
    assert not frappe.has_permission("Job Batch", "read", doc=document, user=bob)
    assert not frappe.has_permission("Job Batch", "delete", doc=document, user=alice)
    assert [len(frappe.get_list("Job Batch", user=user)) for user in (alice, bob)] == [1, 0]
    document.status = "Completed"
    with pytest.raises(frappe.PermissionError, match="engine only"):
        document.save(ignore_permissions=True)


def test_a_settle_without_a_batch_asks_nothing_about_batches(step):
    plain = submitted_with("test_step", parameters={"plan": ["ok"], "key": "x"})
    found = made(*(step(str(n)) for n in range(3)), callbacks=())
    with statements() as alone:
        executor.execute_job(plain.name, 1)
    assert not [text for text in alone if "Job Batch" in text]
    with statements() as member:
        executor.execute_job(members(found)["0"], 1)
    assert len([text for text in member if "Job Batch" in text]) == 1


def test_the_state_of_a_batch_never_disagrees_with_a_store_constant():
    options = frappe.get_meta("Job Batch").get_field("status").options.split("\n")
    assert tuple(options) == batch_store.STATUSES
