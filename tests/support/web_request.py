"""A web request in this process, as far as Frappe's hooks see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import frappe
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from dartwing_core.jobs.access import visibility


@contextmanager
def made(method: str, path: str, user: str, arguments: dict[str, Any] | None = None, **headers: str) -> Iterator[None]:
    """Within it, `frappe.local` holds the request of this user, its path, headers and arguments (a JSON body)."""
    before, flags = (frappe.session.user, frappe.local.form_dict), dict(frappe.flags)
    data, given = json.dumps(arguments or {}), list(headers.items())
    builder = EnvironBuilder(path, method=method, data=data, content_type="application/json", headers=given)
    frappe.local.request = Request(builder.get_environ())
    visibility.forget()  # a real request has a `frappe.local` of its own
    frappe.set_user(user)  # empties the arguments
    frappe.local.form_dict = frappe._dict(arguments or {})
    try:
        yield
    finally:
        del frappe.local.request
        frappe.flags.clear()  # what guards a request must not guard the next test
        frappe.flags.update(flags)
        frappe.set_user(before[0])
        frappe.local.form_dict = before[1]
