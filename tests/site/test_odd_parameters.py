"""Odd parameters come back from a real worker as they were sent, or are refused when they are submitted (R21).

Seen failing: each with its converter or check in `canonical` taken away.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import frappe
import pytest

from dartwing_core.jobs import InvalidJobError, get_job_status, submit_job
from dartwing_core.jobs.lib import canonical
from tests.support import factory
from tests.support.jobs import status
from tests.support.settings import settings
from tests.support.waiting import until


def nested(levels: int) -> list:
    return [nested(levels - 1), 1] if levels > 1 else [levels]


EQUAL = {
    "5 MB": {"text": "x" * 5_000_000},
    "text": {"text": "ü 漢字 😀 \u202e \x00 \x7f \\ ' \" % %s {0} </script> \n\r\t", "ключ 😀": ""},
    "numbers": {"n": [0, -1, 2**53, 2**63 - 1, -(2**63), 1e-7, 1.7976931348623157e308, -0.0, True, False, None]},
    "empty": {"": {}, "list": [], "text": ""},
    "nested": {"deep": nested(canonical.MAX_DEPTH - 2)},  # one more is for the result around it
    "like Frappe's own": {"name": "x", "doctype": "User", "cmd": "y", "method": "z", "job_id": "1", "kwargs": {}},
}
PLAIN = {
    "amount": (Decimal("12.50"), 12.5),
    "moment": (datetime(2026, 3, 29, 2, 30, 0, 1), "2026-03-29 02:30:00.000001"),
    "day": (date(2024, 2, 29), "2024-02-29"),
    "hour": (time(23, 59, 59), "23:59:59"),
    "span": (timedelta(days=2, seconds=1), "48:00:01"),
    "id": (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    "pair": ((1, ("a",)), [1, ["a"]]),
}
REFUSED = {
    "NaN": float("nan"),
    "infinity": float("-inf"),
    "bytes": b"\xff",
    "half a character": "\ud83d",
    "a decimal no float holds": Decimal("0.1000000000000000055511151231257827"),
    "a huge integer": 2**64,
    "a set": {1},
    "a function": print,
    "too many levels": nested(canonical.MAX_DEPTH),
    "keys that are numbers": {1: 2},
}


def test_odd_parameters_come_back_from_a_worker_as_they_were_sent(workers):
    sent = {**EQUAL, "plain": {name: value for name, (value, _stored) in PLAIN.items()}}
    expected = {**EQUAL, "plain": {name: stored for name, (_value, stored) in PLAIN.items()}}
    with settings(max_parameter_bytes=6_000_000, max_result_bytes=6_000_000):
        jobs = {name: submit_job("echo_job", factory.ALPHA, parameters) for name, parameters in sent.items()}
        frappe.db.commit()
        for name, job in jobs.items():
            until(lambda job=job: status(job) not in ("Queued", "Running"), 30, name)
            result = get_job_status(job.name)["result"]
            assert result == {"echo": expected[name]}, name
            assert json.dumps(result) == json.dumps({"echo": json.loads(json.dumps(expected[name], sort_keys=True))})


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_not_come_back_is_refused_when_it_is_submitted(what):
    with pytest.raises(InvalidJobError):
        submit_job("echo_job", factory.ALPHA, {"value": REFUSED[what]})
    assert frappe.db.count("Background Job", {"organization": factory.ALPHA}) == 0
