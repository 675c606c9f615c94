"""Clients for Redis that give up soon."""

from __future__ import annotations

import pytest

from dartwing_core.jobs.rq.redis_queue import ANSWER_TIMEOUT, client_of


@pytest.mark.parametrize("address", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1"])
def test_any_kind_of_address_has_a_client_that_gives_up(address):
    # Seen failing on Frappe 15: a TypeError of redis-py 4.5 for a socket of the machine, which no caller expects.
    connection = client_of(address).connection_pool.make_connection()
    assert connection.socket_timeout == ANSWER_TIMEOUT
