"""The site under measurement: connected, with an organization, a user and the benchmarks' handlers; tidy afterwards."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import frappe

from benchmarks import _report
from tests.support import database, factory, population, processes

HANDLERS = "benchmarks._handlers"
ORGANIZATION = factory.ALPHA


@contextmanager
def site() -> Iterator[None]:
    """A connected site, where only this benchmark makes work; says where. All that it made is deleted at the end."""
    if processes.queue_client().scard("rq:workers"):
        sys.exit("Other workers listen on this queue and would take part: DW_WORKERS=0 ./dev bench …")
    # Without compiled modules on disk, every work-horse would compile what it imports; no installed worker does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with configured(background_job_handlers=[HANDLERS]):
        connect()
        try:
            factory.wipe()
            factory.organization(ORGANIZATION)
            frappe.db.commit()
            print(_report.where())
            yield
        finally:
            clear_queue()
            factory.wipe()
            clear_queue()


def connect() -> None:
    """Connect anew, as Administrator, with the configuration as it is now."""
    frappe.destroy()
    os.chdir(os.environ["DW_SITES_PATH"])
    frappe.init(os.environ["DW_SITE"], sites_path=os.environ["DW_SITES_PATH"])
    frappe.connect()


def clear_queue() -> None:
    """Empty the queue's Redis. Frappe 16 refuses whatever enqueues, deletions included, while it is long."""
    processes.queue_client().flushdb()


@contextmanager
def configured(**values: Any) -> Iterator[None]:
    """Values added to the site's configuration, and taken out again."""
    path = Path(os.environ["DW_SITES_PATH"]) / os.environ["DW_SITE"] / "site_config.json"
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | values, indent=1))
    try:
        yield
    finally:
        path.write_text(before)


def member() -> str:
    """An ordinary member of the organization."""
    email = factory.user("benchmark", ORGANIZATION)
    frappe.db.commit()
    return email


def job_type(name: str, handler: str, **values: Any) -> str:
    """A Job Type `test_<name>` with a handler of `_handlers`."""
    made = factory.job_type(name, f"{HANDLERS}.{handler}", **values)
    frappe.db.commit()
    return made


def line_up(handler: str, jobs: int, organizations: int) -> None:
    """Put so many jobs with a handler of `_handlers` in line, of so many organizations in turn, and no others."""
    factory.wipe()
    for number in range(organizations):
        factory.organization(f"Test Line {number}")
    population.line_up(job_type("benchmark", handler), jobs, organizations)


def submit() -> None:
    """A job of the type `job_type("benchmark", …)`."""
    from dartwing_core.jobs import submit_job

    submit_job("test_benchmark", ORGANIZATION)


def completed() -> int:
    """How many jobs are, as others see it."""
    return database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Completed'")
