"""The Python and the requests of README, CONTRIBUTING and docs run as printed, one page after the other."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs import submit_job
from dartwing_core.jobs.testing import run_jobs
from tests.support import factory, http
from tests.support.snippets import DOCUMENTS, texts

COMPANIES = {"Harbor Books": "Test Harbor Books", "Acme": "Test Page Acme"}
"""What the pages call organizations, the first as in the try-out site, and their ids here."""
MODULE = "your_app.jobs"
SUBMIT = re.compile(r"^(\S.*)?\b(submit|submit_jobs?|enqueue)\(", re.MULTILINE)
"""A submit outside of functions: its job runs, since a commit follows."""


@pytest.fixture
def companies(site) -> None:
    for title, name in COMPANIES.items():
        if not frappe.db.exists("Organization", name):
            frappe.get_doc({"doctype": "Organization", "org_name": title}).insert(set_name=name)
    frappe.db.commit()


@pytest.fixture
def page(companies, monkeypatch) -> Iterator[types.ModuleType]:
    """The module that the Python of a page is written into. In developer mode, its Job Types come with their submit."""
    module = types.ModuleType(MODULE)
    for name in ("your_app", MODULE, "my_jobs"):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(frappe.conf, "background_job_handlers", [*frappe.conf.background_job_handlers, MODULE])
    monkeypatch.setitem(frappe.conf, "developer_mode", 1)
    yield module
    frappe.db.rollback()
    for made in frappe.get_all("Job Type", {"handler_method": ["like", "your_app.%"]}, pluck="name"):
        frappe.delete_doc("Job Type", made, force=True)
    frappe.db.commit()


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if texts(path, "python")], ids=lambda path: path.name)
def test_the_python_of_a_page_runs_in_its_order(document, page):
    # Seen failing: with an import or a commit that was not printed, and with a handler that raised.
    for text in texts(document, "python"):
        known = set(vars(page))
        exec(compile(text, document.name, "exec", dont_inherit=True), vars(page))
        frappe.db.rollback()
        for name in sorted(vars(page).keys() - known):
            if name.startswith("test_"):
                vars(page)[name]()
                frappe.db.rollback()
        assert bool(run_jobs(raising=True)) == bool(SUBMIT.search(text)), text


def test_requests_are_answered(companies, web):
    user = factory.user("reader", *COMPANIES.values(), roles=("Dartwing Admin",), org_role="Admin")
    stands_for = {"https://your.site": web, "KEY:SECRET": http.new_token(user), "JOB-1K11…": completed_job()}
    curl = f'curl() {{ command curl --fail-with-body --silent -H "Host: {frappe.local.site}" "$@"; }}; set -e\n'
    scripts = [text for page in DOCUMENTS for text in texts(page, "sh") if "curl " in text]
    assert scripts
    for script in scripts:
        for printed, ours in stands_for.items():
            script = script.replace(printed, ours)
        done = subprocess.run(["sh", "-c", curl + script], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, script + done.stdout + done.stderr


def completed_job() -> str:
    made = submit_job("echo_job", COMPANIES["Acme"], {"n": 0})
    frappe.db.commit()
    assert set(run_jobs().values()) == {"Completed"}
    return made.name
