"""The matrix: each kind of account, each door, and work of their own, a colleague's and another organization's.

What an account may see, it sees. All else answers as what does not exist, or is refused in the same words (regressions
1, 2, 10, 11, 12).
"""

from __future__ import annotations

from typing import Any

import pytest

from dartwing_core.api import endpoints, jobs

from .doors import CONTENT, DOORS, NOTHING, READS, SHOWN, difference, seen
from .operations import OPERATIONS
from .world import ACCOUNTS, NO_LOGIN


def test_each_endpoint_has_a_row():
    assert jobs
    rows = {door.path.rpartition(".")[2] for door in READS.values()} | {*OPERATIONS}
    assert set(endpoints.ENDPOINTS) - rows == set()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_nobody_sees_what_is_not_theirs(clients, world, account, door):
    way, kind, work = DOORS[door], ACCOUNTS[account], world.of(account)
    answers: dict[str, Any] = {}  # a list is asked for once

    def ask(relation: str) -> Any:
        asked = f"{work[relation].filled(way.path)}{work[relation].filled(way.arguments)}"
        if asked not in answers:
            answers[asked] = way.send(clients[account], work[relation])
        return answers[asked]

    missing, wrong = ask("none"), []
    for relation in ("far",) if account in NO_LOGIN else ("own", "mate", "far"):
        answer = ask(relation)
        shown, is_open = seen(way, answer, work[relation], missing, work["none"]), way.is_open(kind, relation)
        told = f"{SHOWN[shown]} of {relation}: {difference(answer, work[relation], missing, work['none'])}"
        if is_open and shown < way.shows:
            wrong.append(f"sees only {told}")
        if answer.status_code >= 500 and door in READS:
            wrong.append(told)
        may_know = relation in kind.sees or (relation == "own" and way.keeps_own)  # of it, by another door
        may_know |= relation == "mate" and way.is_of_organization and bool(kind.sees)
        if not is_open and shown > NOTHING and not (may_know and shown < CONTENT):
            wrong.append(f"sees {told}")
    assert wrong == [], "\n".join(wrong)


PRIVATE = ("result", "output", "file", "log")


@pytest.mark.parametrize("door", [name for name, door in DOORS.items() if "<job>" in f"{door.path}{door.arguments}"])
@pytest.mark.parametrize("account", ["alpha org admin", "alpha admin"])
def test_results_for_their_owner_alone_are_for_no_admin(clients, world, account, door):
    mate = world.of(account)["mate"]
    private = type(mate)(mate.person, mate.organization, {**mate.names, "job": mate.names["private"]})
    told = DOORS[door].send(clients[account], private).text
    assert not {word.rpartition("-")[2] for word in mate.words("hush", told)} & {*PRIVATE}, told[:2000]
