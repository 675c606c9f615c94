"""Caps on running jobs, without a database."""

from __future__ import annotations

import hashlib
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


def running(organization: str, job_type: str, number: int) -> dict:
    return {"organization": organization, "job_type": job_type, "number": number}


def test_the_caps_of_a_job_are_those_that_are_set():
    assert limits.caps_of(organization(4), job_type(3, 2), "a", "t") == {("a", None): 4, (None, "t"): 3, ("a", "t"): 2}
    assert limits.caps_of(organization(), job_type(per_organization=2), "a", "t") == {("a", "t"): 2}
    assert limits.caps_of(organization(), job_type(), "a", "t") == {}


def test_a_job_whose_type_is_gone_is_under_its_organizations_cap_alone():
    assert limits.caps_of(organization(4), None, "a", "gone") == {("a", None): 4}
    assert limits.caps_of(organization(), None, "a", "gone") == {}


@pytest.mark.parametrize(
    ("caps", "type_caps", "fitting"),
    [
        (0, (0, 0), {("a", "t"), ("a", "u"), ("b", "t"), ("b", "u")}),
        (3, (0, 0), {("b", "t"), ("b", "u")}),  # a runs two t and one u
        (4, (0, 0), {("a", "t"), ("a", "u"), ("b", "t"), ("b", "u")}),
        (0, (3, 0), {("a", "u"), ("b", "u")}),  # three t run
        (0, (4, 0), {("a", "t"), ("a", "u"), ("b", "t"), ("b", "u")}),
        (0, (0, 2), {("a", "u"), ("b", "t"), ("b", "u")}),  # a runs two t
        (0, (0, 1), {("b", "u")}),
    ],
)
def test_a_job_fits_while_each_of_its_caps_has_room(caps, type_caps, fitting):
    in_service = [running("a", "t", 2), running("a", "u", 1), running("b", "t", 1)]
    by_organization = dict.fromkeys("ab", organization(caps))
    slots = limits.Slots(in_service, by_organization, dict.fromkeys("tu", job_type(*type_caps)))
    assert {(name, kind) for name in "ab" for kind in "tu" if slots.fits(name, kind)} == fitting


def test_rows_of_one_kind_add_up():
    slots = limits.Slots([running("a", "t", 1), running("a", "t", 1)], {"a": organization(2)}, {"t": job_type()})
    assert not slots.fits("a", "t")


def test_the_first_cap_that_is_reached_is_named(monkeypatch):
    monkeypatch.setattr(limits, "count_running", {("a", None): 1, (None, "t"): 3, ("a", "t"): 5}.get)
    assert limits.find_reached({("a", None): 2, (None, "t"): 3, ("a", "t"): 1}) == (None, "t")
    assert limits.find_reached({("a", None): 2}) is None
    assert limits.find_reached({}) is None


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


def test_a_lock_has_the_same_short_name_in_each_process(locks):
    with limits.lock_caps([("a", None)]):
        digest = hashlib.sha1(b"('a', None)", usedforsecurity=False).hexdigest()
        assert locks == [("taken", f"cap:{digest[:16]}")]
