"""Caps on running jobs, without a database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from dartwing_core.jobs.line import limits


def organization(max_running: int = 0) -> SimpleNamespace:
    return SimpleNamespace(max_running=max_running)


def job_type(max_concurrent: int = 0, per_organization: int = 0) -> SimpleNamespace:
    return SimpleNamespace(max_concurrent=max_concurrent, max_concurrent_per_organization=per_organization)


def caps_of(organization: SimpleNamespace, job_type: SimpleNamespace | None) -> dict:
    return limits.caps_of({"a": organization}, {"t": job_type}, "a", "t")


def test_the_caps_of_a_job_are_those_that_are_set():
    assert caps_of(organization(4), job_type(3, 2)) == {("a", None): 4, (None, "t"): 3, ("a", "t"): 2}
    assert caps_of(organization(), job_type(per_organization=2)) == {("a", "t"): 2}
    assert caps_of(organization(), job_type()) == {}


def test_a_job_whose_type_is_gone_is_under_its_organizations_cap_alone():
    assert caps_of(organization(4), None) == {("a", None): 4}
    assert caps_of(organization(), None) == {}


def test_the_first_cap_that_is_reached_is_named():
    running = {("a", None): 1, (None, "t"): 3, ("a", "t"): 5}
    assert limits.find_reached({("a", None): 2, (None, "t"): 3, ("a", "t"): 1}, running) == (None, "t")
    assert limits.find_reached({("a", "t"): 1}, running) == ("a", "t"), "exceeded"
    assert limits.find_reached({("a", None): 2}, running) is None
    assert limits.find_reached({}, running) is None


@pytest.fixture
def locks(monkeypatch) -> list[tuple[str, str]]:
    """What happens to named locks; one that `refused` holds is not got."""
    events: list[tuple[str, str]] = []

    @contextmanager
    def named_lock(name: str, wait: int) -> Iterator[bool]:
        assert 1 <= wait <= 30
        events.append(("taken", name))
        yield name not in refused
        events.append(("given back", name))

    monkeypatch.setattr(limits.named_locks, "named_lock", named_lock)
    return events


refused: set[str] = set()


def test_locks_of_caps_are_taken_in_one_order_and_given_back(locks):
    keys = [("a", None), (None, "t"), ("a", "t")]
    with limits.lock_caps(keys) as is_ours:
        assert is_ours
        taken = [name for what, name in locks if what == "taken"]
    with limits.lock_caps(reversed(keys)):
        pass
    assert len(set(taken)) == 3
    assert [name for what, name in locks if what == "taken"] == taken * 2
    assert [name for what, name in locks if what == "given back"] == taken[::-1] * 2


def test_a_lock_that_others_hold_is_said(locks, monkeypatch):
    with limits.lock_caps([("a", None)]):
        pass
    monkeypatch.setattr(sys.modules[__name__], "refused", {locks[0][1]})
    with limits.lock_caps([("a", None), (None, "t")]) as is_ours:
        assert not is_ours


def test_a_lock_has_the_same_name_in_each_process(locks):
    with limits.lock_caps([("a", None)]):
        assert locks == [("taken", "cap:('a', None)")]
