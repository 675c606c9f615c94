"""The cast of the tenant matrix: one user of each kind, and a job of each relation to them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import frappe
import requests

from dartwing_core.jobs import submit_job
from dartwing_core.jobs.store import job_files

from . import contents, factory, files
from .http import Client

NOWHERE = "JOB-1K00000000000NOWHERE"


@dataclass(frozen=True)
class Actor:
    """`sees`: which jobs ("own", "alpha", "beta"); `has_desk`: whether a role lets them read DocTypes."""

    name: str
    sees: frozenset[str]
    has_desk: bool = False
    is_manager: bool = False


ALL = frozenset({"own", "alpha", "beta"})
NOTHING: frozenset[str] = frozenset()
ACTORS = {
    actor.name: actor
    for actor in (
        Actor("guest", NOTHING),
        Actor("roleless", NOTHING),
        Actor("user", frozenset({"own"}), has_desk=True),
        Actor("portal", frozenset({"own"})),
        Actor("admin_a", frozenset({"own", "alpha"}), has_desk=True),
        Actor("admin_b", frozenset({"own", "beta"}), has_desk=True),
        Actor("manager", ALL, has_desk=True, is_manager=True),
        Actor("former", NOTHING, has_desk=True),
        Actor("disabled", NOTHING, has_desk=True),
    )
}
FILE = "list.txt"
TARGETS = ("own", "alpha", "beta", "none")


@dataclass(frozen=True)
class Target:
    """A job; `secret` is in every text of it that a person might read."""

    name: str
    secret: str
    organization: str

    @property
    def file_url(self) -> str:
        """The address of its file."""
        return job_files.address_of(self.name, FILE)


def email_of(actor: str) -> str:
    """The user behind an actor's name, made if need be."""
    if actor == "guest":
        return "Guest"
    alpha, beta = factory.ALPHA, factory.BETA
    made = {
        "roleless": lambda: factory.user("m_roleless", roles=()),
        "user": lambda: factory.user("m_user", alpha),
        "portal": lambda: factory.user("m_portal", alpha, roles=()),
        "admin_a": lambda: factory.user("m_admin_a", alpha, roles=("Dartwing Admin",), org_role="Admin"),
        "admin_b": lambda: factory.user("m_admin_b", beta, roles=("Dartwing Admin",), org_role="Admin"),
        "manager": lambda: factory.user("m_manager", roles=("System Manager", "Dartwing User")),
        "former": lambda: factory.user("m_former", roles=("Dartwing User", "Dartwing Admin")),
        "disabled": lambda: factory.user("m_disabled", alpha),
    }[actor]()
    if actor == "former":
        factory.member(made, alpha, "Admin", status="Inactive")
        factory.member(made, beta, "Admin", end_date="2020-01-01")
    return made


def client_of(actor: str, url: str) -> Client:
    """A client with the actor's API key; a disabled user got it before."""
    client = Client(url)
    if actor == "guest":
        return client
    user = email_of(actor)
    frappe.db.set_value("User", user, "enabled", 1)
    client.with_token(user)
    if actor == "disabled":
        frappe.db.set_value("User", user, "enabled", 0)
        frappe.db.commit()
    return client


def targets(actor: str) -> dict[str, Target]:
    """A job of the actor's own, one of somebody else in each organization, and one that does not exist."""
    alpha, beta = factory.user("m_anna", factory.ALPHA), factory.user("m_bert", factory.BETA)
    own_organization = factory.BETA if actor == "admin_b" else factory.ALPHA
    made = {
        "own": _job(email_of(actor), own_organization, "s3cret-own"),
        "alpha": _job(alpha, factory.ALPHA, "s3cret-alpha"),
        "beta": _job(beta, factory.BETA, "s3cret-beta"),
        "none": Target(NOWHERE, "s3cret-none", factory.BETA),
    }
    frappe.db.commit()
    return made


def _job(owner: str, organization: str, secret: str) -> Target:
    """A completed job with an attempt, a log, a file, a dependency and its batch `BATCH-<job>`, whoever `owner` is.

    Written by SQL, as the engine does.
    """
    name = submit_job("echo_job", organization, {"text": secret}, dedup_key=frappe.generate_hash()).name
    frappe.db.commit()
    frappe.db.sql("UPDATE `tabBackground Job` SET owner_user = %s, owner = %s WHERE name = %s", (owner, owner, name))
    set_status(name, "Completed", secret)
    frappe.db.sql("UPDATE `tabJob Execution Log` SET message = %s WHERE background_job = %s", (secret, name))
    run = frappe.qb.DocType("Background Job Run")
    columns = {"name": f"{name}-1", "background_job": name, "attempt": 1, "progress_message": secret, "owner": owner}
    frappe.qb.into(run).columns(*columns).insert(*columns.values()).run()
    _belonging(name, owner, organization, secret)
    files.given(name, secret.encode(), FILE)
    return Target(name, secret, organization)


def _belonging(name: str, owner: str, organization: str, secret: str) -> None:
    """A batch of which the job is the only member, a job (that is not there) that it depends on, and a schedule."""
    batch: dict[str, Any] = {
        "name": f"BATCH-{name}",
        "organization": organization,
        "owner_user": owner,
        "description": secret,
    }
    batch |= {"status": "Running", "size": 1, "on_success": json.dumps({"text": secret}), "owner": owner}
    dependency = {"name": f"{name}-D", "background_job": name, "depends_on": secret, "owner": owner}
    schedule: dict[str, Any] = {
        "name": f"SCHEDULE-{name}",
        "organization": organization,
        "owner_user": owner,
        "title": secret,
    }
    schedule |= {"job_type": "echo_job", "parameters": json.dumps({"text": secret}), "owner": owner, "enabled": 1}
    schedule |= {"frequency": "Cron", "cron": "0 7 * * *", "time_zone": "UTC", "missed_runs": "Skip", "last_job": name}
    schedule |= {"look_at_epoch": 4e9, "next_run_epoch": 4e9}  # in a hundred years
    belonging = (("Job Batch", batch), ("Background Job Dependency", dependency), ("Job Schedule", schedule))
    for doctype, columns in belonging:
        now = frappe.utils.now()
        columns |= {"creation": now, "modified": now}
        frappe.qb.into(frappe.qb.DocType(doctype)).columns(*columns).insert(*columns.values()).run()
    frappe.db.sql("UPDATE `tabBackground Job` SET parent_batch = %s WHERE name = %s", (batch["name"], name))


def set_status(name: str, status: str, secret: str) -> None:
    """Put the job into a state, with its secret in all texts."""
    frappe.db.sql(
        "UPDATE `tabBackground Job` SET status = %s, attempt = 1, retry_count = 0, started_at = created_at,"
        " completed_at = created_at, progress_message = %s WHERE name = %s",
        (status, secret, name),
    )
    texts = dict.fromkeys(("input_parameters", "result"), json.dumps({"text": secret}))
    contents.store(name, {**texts, **dict.fromkeys(("error_message", "output_reference"), secret)})


def visible(actor: Actor, key: str, needs_desk: bool) -> bool:
    """What the matrix says of this cell."""
    return key in actor.sees and (actor.has_desk or not needs_desk)


def plain(answer: requests.Response, name: str) -> tuple[int, str]:
    """An answer to a question about `name`, without what differs between any two."""
    text = answer.text.replace(name, "$").replace(frappe.scrub(name), "$")  # as in the name of a module
    text = re.sub(r'\\*"__\w+_exc_id\\*": ?\\*"\w+\\*"', "", text)
    return answer.status_code, re.sub(r"[0-9a-f]{32,}", "", text)
