"""Attacks on contents: no parameter, result, log, traceback or byte of a file comes out. See test_stored.py, too.

The first line of an error, titles, progress and names may: what SECURITY.md says of accounts with our roles.
"""

from __future__ import annotations

import pytest

from .attacks import ATTACKS, answers
from .world import ACCOUNTS


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("account", ["alpha member with Desk", "alpha user", "alpha admin"])
def test_no_content_comes_out(clients, world, account, attack):
    work = world.of(account)
    for relation in {"mate", "far"} - ACCOUNTS[account].sees:
        for answer in answers(clients[account], ATTACKS[attack], work[relation], work["own"]):
            told = answer.content.decode(errors="replace")
            assert not work[relation].words("hush", told), (relation, answer.url, told[:3_000])


def test_managers_see_all_but_secrets(clients, world):
    far = world.of("manager")["far"]
    told = "".join(
        clients["manager"].get("get_job_details", job_id=far.names[one]).text for one in ("job", "dead", "canceled")
    )
    words = {word.rpartition("-")[2] for word in far.words("hush", told)}
    assert {"parameter", "result", "output", "log", "error", "cause", "reason"} <= words
