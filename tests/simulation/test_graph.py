"""A random graph of a thousand jobs, some of which fail: each runs after its parents, and all end as they should.

A failure prints its seed; `GRAPH_SEED=<seed> ./dev test tests/simulation/test_graph.py` plays it again.
Seen failing when children of a failed parent are released, and when a child goes on past a parent that is not over.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import frappe
import pytest

from dartwing_core.jobs import batch, get_batch_status, job
from dartwing_core.jobs.sweep import sweeper
from tests.support import attempts, factory
from tests.support.database import rows

NODES = 1_000
PLANS = (["ok"],) * 17 + (["fail", "ok"],) * 2 + (["dead"],)
POLICIES = ("dead_letter", "cancel", "run")


def drawn(seed: int) -> list[dict]:
    """Nodes by number, each with parents among those before it."""
    dice = random.Random(seed)
    return [
        {
            "parents": dice.sample(range(max(0, number - 40), number), min(number, dice.choice((0, 1, 1, 2, 3)))),
            "plan": dice.choice(PLANS),
            "policy": dice.choice(POLICIES),
        }
        for number in range(NODES)
    ]


def expected(nodes: list[dict]) -> list[str]:
    """How each node has to end."""
    ends: list[str] = []
    for node in nodes:
        failed = [parent for parent in node["parents"] if ends[parent] != "Completed"]
        if failed and node["policy"] != "run":
            ends.append("Canceled" if node["policy"] == "cancel" else "Dead Letter")
        else:
            ends.append("Dead Letter" if node["plan"] == ["dead"] else "Completed")
    return ends


def work() -> None:
    """Make the attempts of whoever may go, and of whom a sweep lets go then."""
    while attempts.run_all():
        sweeper.sweep()


def moments(job_type: str) -> dict[str, tuple[str, str]]:
    """Of each node the log rows of its first start and of its end; their names are in the order of their making."""
    found: dict[str, tuple[str, str]] = {}
    for key, start, end in rows(
        "SELECT j.job_key, MIN(IF(l.to_status = 'Running', l.name, NULL)), MAX(l.name)"
        " FROM `tabJob Execution Log` l JOIN `tabBackground Job` j ON j.name = l.background_job"
        " WHERE j.job_type = %s GROUP BY j.job_key",
        job_type,
    ):
        found[key] = (start, end)
    return found


@pytest.mark.timeout(300)
def test_a_random_graph_runs_in_its_order_and_ends_as_it_should(no_sweeps):
    seed = int(os.environ.get("GRAPH_SEED") or random.randrange(10**6))
    print(f"GRAPH_SEED={seed}")
    job_type = factory.job_type("planned", "scripted", max_retries=1, retry_delays="0", notify_on="Never")
    nodes = drawn(seed)
    parts = [
        job(
            job_type,
            {"plan": node["plan"], "n": number},
            key=str(number),
            depends_on=[str(parent) for parent in node["parents"]],
            on_parent_failure=node["policy"],
        )
        for number, node in enumerate(nodes)
    ]
    random.Random(seed).shuffle(parts)
    found = batch(*parts).submit(factory.ALPHA)
    frappe.db.commit()
    work()
    frappe.db.rollback()
    ends = dict(rows("SELECT job_key, status FROM `tabBackground Job` WHERE job_type = %s", job_type))
    wrong = {n: (ends[str(n)], end) for n, end in enumerate(expected(nodes)) if ends[str(n)] != end}
    assert wrong == {}
    status = get_batch_status(found.name)
    assert status["job_count_by_status"] == Counter(ends.values())
    assert (status["status"], status["progress"]) == ("Failed" if "Dead Letter" in ends.values() else "Completed", 100)
    at = moments(job_type)
    for number, node in enumerate(nodes):
        for parent in node["parents"]:
            start = at[str(number)][0]
            assert start is None or at[str(parent)][1] < start, (number, parent)
