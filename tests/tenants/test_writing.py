"""Who may change what: our operations are for those who see the work, and nobody but the engine writes its documents.

What an account may not see answers as what does not exist here, too.
"""

from __future__ import annotations

import pytest

from .doors import JOB, difference, plain
from .operations import OPERATIONS, WHOEVER_SEES, WRITES, Way
from .rows import Rows, all_rows, of_work, put_back
from .world import ACCOUNTS, NO_LOGIN


def tried(clients, world, account: str, way: Way, relations: tuple[str, ...], before: Rows) -> list[str]:
    """What is wrong with the answers and changes of a way."""
    kind, work, wrong = ACCOUNTS[account], world.of(account), []
    hidden = [work[other] for other in ("own", "mate", "far") if other not in kind.sees and account not in NO_LOGIN]
    missing = way.send(clients[account], work["none"])
    for relation in sorted(relations, key=lambda one: way.works(kind, one)):
        answer, works = way.send(clients[account], work[relation]), way.works(kind, relation)
        told = f"{relation}: {difference(answer, work[relation], missing, work['none'])}"
        after = all_rows() if works or relation == relations[-1] else before
        if works and (answer.status_code not in (200, 202) or after == before):
            wrong.append(f"does not work for {told}")
        if not works and after != before:
            wrong.append(f"changes {told}")
        new_owners = {owner for _name, owner in owners(after) - owners(before)}
        if way.who == WHOEVER_SEES and new_owners - {work[relation].names["user"]}:
            wrong.append(f"runs for others than its owner {told}")
        if any(of_work(after, other) != of_work(before, other) for other in hidden):
            wrong.append(f"changes what it does not see, asked for {told}")
        is_hidden = relation not in kind.sees or account in NO_LOGIN
        is_told = plain(answer, work[relation]) != plain(missing, work["none"])
        if is_hidden and is_told and not works and way.verb != "DELETE":  # Frappe's words for what is not there
            wrong.append(f"tells {told}")
        if after != before:
            put_back(before)
    return wrong


def owners(rows: Rows) -> set[tuple[str, str]]:
    """Jobs with their owners."""
    return {(row["name"], row["owner_user"]) for row in rows[JOB]}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_operations_are_for_who_sees_the_work(clients, world, kept, account, name):
    way = OPERATIONS[name]
    is_of_organization = "<organization>" in str(way.arguments)  # a colleague's is one's own
    relations = ("own", "far") if is_of_organization else ("own", "mate", "far")
    wrong = tried(clients, world, account, way, ("far",) if account in NO_LOGIN else relations, kept)
    assert wrong == [], "\n".join(wrong)
    if account in NO_LOGIN:
        assert way.send(clients[account], world.of(account)["far"]).status_code == 401


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("account", ["alpha user", "alpha admin", "manager"])
def test_nobody_but_the_engine_writes(clients, world, kept, account, name):
    way = WRITES[name]
    is_for_anybody = way.who and "<organization>" not in str(way.arguments)  # else a colleague's is like one's own
    relations = ("own", "mate", "far") if is_for_anybody else ("own", "far")
    wrong = tried(clients, world, account, way, relations, kept)
    assert wrong == [], "\n".join(wrong)
