"""Every function that Frappe serves, asked about the work of others with all of its names: no content comes out."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import frappe
import pytest

from .doors import JOB, RUN, SCHEDULE
from .rows import all_rows
from .world import accounts

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


def arguments(function: Callable[..., Any], doctype: str, name: str) -> dict[str, Any]:
    """Something for each argument that has a name we know: the document, as much as can be."""
    document = json.dumps({"doctype": doctype, "name": name})
    made: dict[str, Any] = {}
    for argument, parameter in inspect.signature(function).parameters.items():
        if argument in VALUES:
            made[argument] = VALUES[argument]
        elif argument in DOCTYPES:
            made[argument] = doctype
        elif argument in ("docs", "docnames", "names", "items", "source_names"):
            made[argument] = json.dumps([name])
        elif argument in ("doc", "args"):
            made[argument] = document
        elif argument in TEXTS:
            made[argument] = "hello"
        elif parameter.default is inspect.Parameter.empty or "name" in argument or "reference" in argument:
            made[argument] = name
    return made or {"doctype": doctype, "name": name, "docname": name, "items": json.dumps([name])}


DOCUMENTS = {"job": JOB, "deadrun": RUN, "schedule": SCHEDULE}
"""Of each DocType with contents, one; the job has parameters, a result, a log and a file."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("account", accounts("alpha admin", of=("alpha member with Desk", "alpha admin")))
def test_no_function_of_frappes_tells_a_content_of_others(clients, world, account, size):
    client, work, called = clients[account], world.of(account)["far"], 0
    before = all_rows()
    for title, function in functions():
        called += 1
        for key in [*DOCUMENTS][: size(1, len(DOCUMENTS))]:
            doctype = DOCUMENTS[key]
            body = arguments(function, doctype, work.names[key])
            told = client.http.post(f"{client.url}/api/method/{title}", json=body, timeout=60).text
            assert not work.words("hush", told), (title, doctype, told[:2_000])
    assert called > 300, "they were found"
    hung = ("_comments", "_assign", "_liked_by", "_user_tags", "modified", "modified_by", "_seen")
    assert [row | dict.fromkeys(hung) for row in all_rows()[JOB]] == [row | dict.fromkeys(hung) for row in before[JOB]]
