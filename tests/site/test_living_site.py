"""What `./dev serve` shows: people of two companies who see their own jobs, in all states."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

import frappe
import pytest
from rq.timeouts import JobTimeoutException

from dartwing_core.jobs import submit_job
from dartwing_core.jobs.job import job_files
from dartwing_core.jobs.status import JobStatus
from dartwing_core.jobs.testing import run_jobs
from dartwing_core.jobs.types import handlers
from standalone import script, shop_jobs
from tests.support import factory, named
from tests.support.http import Client

if os.environ.get("DW_MODE") != "standalone":
    pytest.skip("`./dev serve` makes its own site", allow_module_level=True)

from standalone import living_site  # on a bench, the packages that it needs are missing


def end_in_time(seconds: float) -> None:
    """Take no time, or as long as the time limit."""
    if seconds == shop_jobs.HANGS:
        raise JobTimeoutException("Task exceeded maximum timeout value (5 seconds)")


@pytest.fixture
def filled(site, monkeypatch, capsys) -> Iterator[str]:
    """What `fill` prints. Its work takes no time, and is removed afterwards."""
    monkeypatch.setitem(
        frappe.conf, handlers.HANDLERS_HOOK, [*frappe.conf.get(handlers.HANDLERS_HOOK, []), shop_jobs.__name__]
    )
    monkeypatch.setattr(shop_jobs.time, "sleep", end_in_time)
    assert living_site.fill() == 0
    run_jobs()
    yield capsys.readouterr().out
    organizations = {"org_name": ["in", [person.organization for person in living_site.PEOPLE]]}
    names = frappe.get_all("Organization", organizations, pluck="name")
    job_files.delete_now(frappe.get_all("Background Job", {"organization": ["in", names]}, pluck="name"))
    named.remove(*names)
    types = frappe.get_all("Job Type", {"name": ["like", "shop_%"]}, pluck="name")
    for doctype, made in (("User", [person.user for person in living_site.PEOPLE]), ("Job Type", types)):
        for name in made:
            frappe.delete_doc(doctype, name, force=True, ignore_missing=True)
    frappe.db.commit()


def test_people_look_around_with_what_is_printed(web, filled):
    keys = dict(re.findall(r"^ +(\S+@\S+) .* API key (\S+)$", filled, re.MULTILINE))
    assert list(keys) == [person.user for person in living_site.PEOPLE]
    admin, member = (Client(web) for _ in range(2))
    admin.http.headers["Authorization"] = f"token {keys['ada@harbor-books.example']}"
    member.http.headers["Authorization"] = f"token {keys['alice@harbor-books.example']}"
    of_all = admin.get("list_jobs", limit=100).json()["message"]["jobs"]
    of_alice = member.get("list_jobs", limit=100).json()["message"]["jobs"]
    assert {job["owner_user"] for job in of_alice} == {"alice@harbor-books.example"}
    assert {job["organization_name"] for job in of_all} == {"Harbor Books"}
    assert len(of_all) > len(of_alice) >= 9
    assert {job["status"] for job in of_alice} == {str(state) for state in JobStatus} - {"Running"}
    dead = next(job for job in of_alice if job["status"] == "Dead Letter")
    assert dead["title"] == "Statement for Quay Street School"
    done = next(job for job in of_alice if job["output_url"])
    assert b"article,price" in member.http.get(f"{web}{done['output_url']}", timeout=30).content
    assert Client(web).log_in("bob@alpine-tools.example", living_site.PASSWORD)


def test_a_script_is_told_of_jobs_that_it_has_not_committed(site, capsys):
    began = time.time()
    submit_job(factory.job_type("any"), factory.ALPHA, {"n": 1})
    frappe.db.commit()
    submit_job(factory.job_type("any"), factory.ALPHA, {"n": 2})
    script.tell_lost_jobs(began)
    assert capsys.readouterr().err == "1 job was not committed; call frappe.db.commit()\n"
    script.tell_lost_jobs(began)
    assert capsys.readouterr().err == ""
