"""Attacks on contents: whatever hole of Frappe's they use, no parameter, result, log, traceback or byte comes out.

The first line of an error, titles, progress and names may: what SECURITY.md says of accounts with our roles.
"""

from __future__ import annotations

import json

import pytest

from .attacks import ATTACKS, CLIENT, DESK, answers, columns
from .world import ACCOUNTS, accounts

ATTACKERS = ("alpha member", "alpha member with Desk", "alpha org admin", "alpha user", "alpha admin", "former admin")
"""Roles only add to what an account may ask: the usual run has those with the most of their kind."""


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("account", accounts("alpha member with Desk", "alpha user", "alpha admin", of=ATTACKERS))
def test_no_content_comes_out(clients, world, account, attack):
    work = world.of(account)
    for relation in {"mate", "far"} - ACCOUNTS[account].sees:
        for answer in answers(clients[account], ATTACKS[attack], work[relation], work["own"]):
            told = answer.content.decode(errors="replace")
            assert not work[relation].words("hush", told), (relation, answer.url, told[:3_000])


COUNTS = {
    "get_count": (f"{CLIENT}.get_count", {}),
    "list count": (f"{DESK}.reportview.get_count", {"fields": []}),
    "list": (f"{CLIENT}.get_list", {}),
}


@pytest.mark.parametrize("account", accounts("alpha user", of=("alpha member", "alpha user")))
@pytest.mark.parametrize("door", COUNTS)
def test_no_content_can_be_guessed(clients, world, account, door):
    method, more = COUNTS[door]
    client, far = clients[account], world.of(account)["far"]
    for doctype, column in columns():
        filters = json.dumps([[doctype, column, "like", f"%hush-{far.person}-%"]])
        answer = client.http.post(
            f"{client.url}/api/method/{method}", json={"doctype": doctype, "filters": filters, **more}, timeout=60
        )
        assert answer.status_code >= 400 or not answer.json().get("message"), (doctype, column, answer.text)


def test_managers_see_all_but_secrets(clients, world):
    far = world.of("manager")["far"]
    told = "".join(
        clients["manager"].get("get_job_details", job_id=far.names[one]).text for one in ("job", "dead", "canceled")
    )
    words = {word.rpartition("-")[2] for word in far.words("hush", told)}
    assert {"parameter", "result", "output", "log", "error", "cause", "reason"} <= words
