"""Names of jobs: unique without a counter, in the order of their making (regression 13)."""

from __future__ import annotations

import re

from dartwing_core.jobs.lib import ids


def test_names_sort_in_the_order_of_their_making():
    names = [ids.new_name("JOB") for _number in range(5_000)]
    assert names == sorted(names)
    assert len(set(names)) == len(names)


def test_names_fit_rq_and_frappe():
    # RQ from 2.1 on refuses other characters in an id; Frappe's name column holds 140.
    assert re.fullmatch(r"JOB-[0-9A-Z]{20}", ids.new_name("JOB"))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", ids.run_name(ids.new_name("JOB"), 12))
