"""Clients for Redis that give up soon."""

from __future__ import annotations

import pytest
import redis

from dartwing_core.jobs.rq.redis_server import client_of


@pytest.mark.parametrize("address", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_away_whatever_its_kind_of_address(address):
    # Seen failing on Frappe 15: a TypeError of redis-py 4.5 for a socket of the machine, which no caller expects.
    with pytest.raises(redis.exceptions.ConnectionError):
        client_of(address).ping()
