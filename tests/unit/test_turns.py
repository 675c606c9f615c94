"""The passes that workers share (`line.turns`), with a dict in place of Redis."""

from __future__ import annotations

from typing import Any

import pytest

from dartwing_core.jobs.line import turns
from dartwing_core.jobs.line.turns import Line


class Hashes:
    """What `turns` needs of a Redis client and of its pipelines."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, float]] = {}
        self.lifetimes: dict[str, int] = {}
        self.trips = 0

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        return {name.encode(): str(value).encode() for name, value in self.kept.get(key, {}).items()}

    def pipeline(self, transaction: bool = True) -> Hashes:
        assert not transaction
        return self

    def execute(self) -> None:
        self.trips += 1

    def hset(self, key: str, mapping: dict[str, float]) -> None:
        self.kept.setdefault(key, {}).update(mapping)

    def hsetnx(self, key: str, name: str, value: Any) -> None:
        self.kept.setdefault(key, {}).setdefault(name, float(value))

    def hincrbyfloat(self, key: str, name: str, value: float) -> None:
        self.kept[key][name] += value

    def hdel(self, key: str, *names: str) -> None:
        assert names
        for name in names:
            del self.kept[key][name]

    def expire(self, key: str, seconds: int) -> None:
        self.lifetimes[key] = seconds


@pytest.fixture
def redis(monkeypatch) -> Hashes:
    hashes = Hashes()
    monkeypatch.setattr(turns.redis_queue, "client", lambda: hashes)
    monkeypatch.setattr(turns.redis_queue, "if_there", lambda ask: ask())
    monkeypatch.setattr(turns.redis_queue, "site_key", lambda name: name)
    return hashes


def line(organization: str, queue: str = "default") -> Line:
    return Line(queue, organization, "type", "Normal", 0.0)


def passes(kept: dict[str, float], waits: str, served: str, weights: dict[str, int] | None = None) -> dict[str, float]:
    """The passes of all queues' organizations, whose names are single letters."""
    turns.redis_queue.client().kept["turns:*"] = kept
    lines = [line(name) for name in waits]
    found = [one for one in lines if one.organization in served]
    return turns.Turns().passes(lines, found, weights or dict.fromkeys(waits, 1))


def test_the_first_of_all_begin_just_before_zero(redis):
    assert passes({}, "ab", "ab") == {"a": -1e-6, "b": -1e-6}
    assert redis.kept == {"turns:*": {"a": -1e-6, "b": -1e-6}}


def test_who_comes_anew_begins_just_before_the_lowest_that_may_go(redis):
    found = passes({"a": 3.0, "b": 5.0, "held": 1.0}, "abn", "abn")
    assert found["n"] == pytest.approx(3.0 - 1e-6, abs=1e-9)
    assert redis.kept["turns:*"]["n"] == found["n"]
    assert redis.lifetimes == {"turns:*": 3_600}
    assert redis.trips == 1


def test_who_does_not_wait_keeps_only_what_it_has_had_too_many(redis):
    passes({"a": 3.0, "less": 2.0, "level": 3.0, "more": 4.0}, "a", "a")
    assert redis.kept["turns:*"] == {"a": 3.0, "more": 4.0}


def test_who_has_no_slot_falls_behind_by_no_more_than_a_turn(redis):
    found = passes({"a": 9.0, "b": 1.0, "c": 8.9}, "abc", "a", {"a": 1, "b": 4, "c": 1})
    assert found == {"a": 9.0, "b": 8.75, "c": 8.9}
    assert redis.kept["turns:*"] == found


def test_who_waits_in_queues_of_others_is_left_as_it_is(redis):
    redis.kept["turns:default"] = {"a": 9.0, "b": 1.0}
    here = [line("a"), line("b", "long")]
    assert turns.Turns(["default"]).passes(here, here[:1], {"a": 1, "b": 1}) == {"a": 9.0, "b": 1.0}


def test_workers_of_the_same_queues_share_their_turns_whatever_the_order(redis):
    turns.Turns(["short", "default"]).record_turn(redis, "a", 5.0, 0.5)
    turns.Turns(["default", "short"]).record_turn(redis, "a", 7.0, 0.5)
    turns.Turns([]).record_turn(redis, "a", 1.0, 0.5)
    assert redis.kept == {"turns:default,short": {"a": 6.0}, "turns:": {"a": 1.5}}
    assert redis.lifetimes == {"turns:default,short": 3_600, "turns:": 3_600}


def test_without_redis_all_begin_anew(redis, monkeypatch):
    monkeypatch.setattr(turns.redis_queue, "if_there", lambda ask: None)
    assert passes({"a": 3.0}, "ab", "ab") == {"a": -1e-6, "b": -1e-6}
