"""Every function that Frappe serves, asked about a job of another organization, and about one that does not exist.

The two answer alike, and neither changes anything.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import frappe
import pytest

from tests.support import http, named, tenants
from tests.support.tenants import Target

from .test_tenants_writing import snapshot

JOB = "Background Job"
NOT_CALLED = {
    *("logout", "web_logout", "generate_keys", "reset_password", "sign_up"),
    *("quick_kanban_board", "make_prepared_report", "save_report"),
}
"""They end the session, send e-mail, or make documents of their own under whatever name they are given."""
DOCTYPES = {"doctype", "dt", "reference_doctype", "ref_doctype", "reference_dt", "document_type", "reminder_doctype"}
TEXTS = {"txt", "content", "reply", "title", "reason", "description", "comment", "message", "subject"}
VALUES: dict[str, Any] = {
    "filters": "{}",
    "fields": '["name"]',
    "field_map": '{"start": "creation", "end": "modified"}',
    "verb": "POST",
    "user": "test_bob@example.com",
    "assign_to": '["test_bob@example.com"]',
    "recipients": "x@example.com",
    "limit": 5,
    "start": 0,
    "page_length": 5,
    "page_len": 5,
    "frequency": "Daily",
    "remind_at": "2030-01-01 10:00:00",
    "perm_type": "read",
    "action": "Approve",
    "fieldname": "status",
    "field": "status",
    "sort_field": "progress_message",
    "prev": 1,
    "add": "Yes",
    "tag": "urgent",
    "tags": '["urgent"]',
    "comment_email": "test_bob@example.com",
    "comment_by": "Bob",
    "method": "add_comment",
    "points": 1,
    "following": True,
    "send_email": 0,
    "permission_to": "read",
    "read": 1,
    "to_user": "test_alice@example.com",
    "route": "x",
    "like": 1,
    "query": None,
    "tree_method": "frappe.desk.treeview.get_children",
}


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Names and functions of all that Frappe serves by name."""
    root = frappe.get_module("frappe.handler").__name__.partition(".")[0]
    for module in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
        if not {"tests", "patches"} & {*module.name.split(".")} and ".test_" not in module.name:
            try:
                importlib.import_module(module.name)
            except Exception:  # wants what is not installed
                continue
    for function in sorted({*frappe.whitelisted}, key=lambda one: (one.__module__, one.__qualname__)):
        module, name = function.__module__, function.__name__
        is_served = module.partition(".")[0] == root and function.__qualname__ == name
        if is_served and not {name} & NOT_CALLED and "doctype.user.user" not in module:
            yield f"frappe.{module.partition('.')[2]}.{name}", function


def arguments(function: Callable[..., Any], target: Target, doctype: str) -> dict[str, Any]:
    """Something for each argument that has a name we know: the document, as much as can be."""
    document = json.dumps({"doctype": doctype, "name": target.name})
    made: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in VALUES:
            made[name] = VALUES[name]
        elif name in DOCTYPES:
            made[name] = doctype
        elif name in ("docs", "docnames", "names", "items", "source_names"):
            made[name] = json.dumps([target.name])
        elif name in ("doc", "args"):
            made[name] = document
        elif name in TEXTS:
            made[name] = "hello"
        elif parameter.default is inspect.Parameter.empty or "name" in name or "reference" in name:
            made[name] = target.name
    return made or {"doctype": doctype, "name": target.name, "docname": target.name, "items": json.dumps([target.name])}


def ask(
    client: http.Client, title: str, function: Callable[..., Any], targets: tuple[Target, Target], doctype: str
) -> list[tuple[int, str]]:
    """The answers about each of these documents, without what differs between any two."""
    told = []
    for target in targets:
        url, body = f"{client.url}/api/method/{title}", arguments(function, target, doctype)
        told.append(tenants.plain(client.http.post(url, json=body, timeout=60), target.name))
    return told


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["user", "portal", "admin_b"])
def test_nothing_that_frappe_serves_knows_a_job_of_others(web, name):
    http.forget_limits()
    client, jobs = tenants.client_of(name, web), tenants.targets(name)
    before = snapshot(jobs)
    wrong = learned(client, (jobs["alpha"], jobs["none"]), JOB)
    after = snapshot(jobs)
    assert wrong == [], "\n".join(wrong)
    assert after == before


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["user", "roleless"])
def test_nothing_that_frappe_serves_knows_an_old_organization_of_others(web, old_organization, name):
    # Those from before they had random ids have names that can be guessed.
    http.forget_limits()
    hidden, missing = Target(old_organization, "s3cret", ""), Target("Test Nada 7", "s3cret", "")
    wrong = learned(tenants.client_of(name, web), (hidden, missing), "Organization")
    assert wrong == [], "\n".join(wrong)


@pytest.fixture
def old_organization(site) -> Iterator[str]:
    with named.old_organization("Test Old 7") as name:
        yield name


def learned(client: http.Client, targets: tuple[Target, Target], doctype: str) -> list[str]:
    """Where the answers about the first, which is hidden, and the second, which is not there, differ."""
    called, wrong = 0, []
    for title, function in functions():
        called += 1
        told = ask(client, title, function, targets, doctype)
        if told[0] != told[1]:  # some tell each first question from the next
            told = ask(client, title, function, targets, doctype)
        if told[0] != told[1] or targets[0].secret in told[0][1]:
            wrong.append(f"{title}: {told[0][0]} {told[0][1][:300]} | {told[1][0]} {told[1][1][:300]}")
    assert called > 300, "they were found"
    return wrong
