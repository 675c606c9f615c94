"""Who may change what: our operations are for those who see the work, and nobody but the engine writes its documents.

What an account may not see answers as what does not exist here, too.
"""

from __future__ import annotations

import pytest

from .doors import JOB, difference, plain
from .holes import hole_of
from .operations import HUNG, OPERATIONS, WHOEVER_SEES, WRITES, Way
from .rows import Rows, all_rows, of_work, put_back
from .world import ACCOUNTS, NO_LOGIN, accounts

ACTORS = [name for name in ACCOUNTS if not name.startswith("beta")]
WRITERS = [name for name in ACTORS if name not in NO_LOGIN]


def tried(clients, world, account: str, way: Way, relations: tuple[str, ...], before: Rows) -> list[str]:
    """What is wrong with the answers and changes of a way."""
    kind, work, wrong = ACCOUNTS[account], world.of(account), []
    hidden = [work[other] for other in ("own", "mate", "far") if other not in kind.sees and account not in NO_LOGIN]
    missing = way.go(clients[account], work["none"])
    for relation in sorted(relations, key=lambda one: way.works(kind, one)):
        answer, works = way.go(clients[account], work[relation]), way.works(kind, relation)
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
        if not works and is_hidden and plain(answer, work[relation]) != plain(missing, work["none"]):
            wrong.append(f"tells {told}")
        if after != before:
            put_back(before)
    return wrong


def owners(rows: Rows) -> set[tuple[str, str]]:
    """Jobs with their owners."""
    return {(row["name"], row["owner_user"]) for row in rows[JOB]}


def judged(name: str, wrong: list[str]) -> None:
    """Fail, or expect to where a known hole tells that something exists."""
    if wrong and hole_of(name) and all(one.startswith("tells") for one in wrong):
        pytest.xfail(f"{hole_of(name)}: {wrong}")
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("account", ACTORS)
def test_operations_are_for_who_sees_the_work(clients, world, kept, account, name):
    way = OPERATIONS[name]
    is_of_organization = "<organization>" in str(way.body)  # a colleague's is one's own
    relations = ("own", "far") if is_of_organization else ("own", "mate", "far")
    judged(name, tried(clients, world, account, way, ("far",) if account in NO_LOGIN else relations, kept))
    if account in NO_LOGIN:
        assert way.go(clients[account], world.of(account)["far"]).status_code == 401


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("account", accounts("alpha user", "alpha admin", "manager", of=WRITERS))
def test_nobody_but_the_engine_writes(clients, world, kept, account, name):
    way = WRITES[name]
    is_for_anybody = way.who and "<organization>" not in str(way.body)  # else a colleague's is like one's own
    relations = ("own", "mate", "far") if is_for_anybody else ("own", "far")
    judged(name, tried(clients, world, account, way, relations, kept))


@pytest.mark.parametrize("name", HUNG)
@pytest.mark.parametrize(
    "account", accounts("alpha member", "alpha user", of=[name for name in WRITERS if name != "manager"])
)
def test_nothing_is_hung_on_work_that_one_does_not_see(clients, world, kept, account, name):
    kind, work = ACCOUNTS[account], world.of(account)
    wrong, missing = [], HUNG[name].go(clients[account], work["none"])
    for relation in {"mate", "far"} - kind.sees:
        answer = HUNG[name].go(clients[account], work[relation])
        told = f"{relation}: {difference(answer, work[relation], missing, work['none'])}"
        if all_rows() != kept:
            wrong.append(f"changes {told}")
        elif plain(answer, work[relation]) != plain(missing, work["none"]):
            wrong.append(f"tells {told}")
    judged(name, wrong)
