"""Caps on running jobs, without a database."""

from __future__ import annotations

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
    assert limits.caps_of(organization(), job_type(), "a", "t") == {}
    assert limits.caps_of(organization(4), None, "a", "gone") == {("a", None): 4}


ALL = {("a", "t"), ("a", "u"), ("b", "t"), ("b", "u")}


@pytest.mark.parametrize(
    ("caps", "type_caps", "fitting"),
    [
        (0, (0, 0), ALL),
        (3, (0, 0), {("b", "t"), ("b", "u")}),  # a runs two t, in two rows, and one u
        (4, (3, 0), {("a", "u"), ("b", "u")}),  # three t run
        (4, (4, 0), ALL),
        (0, (0, 2), ALL - {("a", "t")}),
    ],
)
def test_a_job_fits_while_each_of_its_caps_has_room(caps, type_caps, fitting):
    in_service = [running("a", "t", 1), running("a", "t", 1), running("a", "u", 1), running("b", "t", 1)]
    by_organization = dict.fromkeys("ab", organization(caps))
    slots = limits.Slots(in_service, by_organization, dict.fromkeys("tu", job_type(*type_caps)))
    assert {pair for pair in ALL if slots.fits(*pair)} == fitting


def test_locks_of_caps_are_taken_in_one_order_and_one_that_others_hold_is_said(monkeypatch):
    taken: list[str] = []
    refused: list[str] = []

    @contextmanager
    def named_lock(name: str, wait: int) -> Iterator[bool]:
        taken.append(name)
        yield name not in refused

    monkeypatch.setattr(limits.named_locks, "named_lock", named_lock)
    keys = [("a", None), (None, "t"), ("a", "t")]
    for given in (keys, reversed(keys)):
        with limits.lock_caps(given) as is_ours:
            assert is_ours
    assert taken[:3] == taken[3:]
    assert len(set(taken)) == 3
    refused.append(taken[1])
    with limits.lock_caps(keys) as is_ours:
        assert not is_ours
