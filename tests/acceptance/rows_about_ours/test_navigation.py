"""The app's workspace, icon and sidebar are changed by workspace managers alone."""

from __future__ import annotations

from pathlib import Path

import frappe
import pytest

from tests.support import factory
from tests.support.http import Client

pytestmark = pytest.mark.usefixtures("fresh_limits")

NAVIGATION = {
    "Workspace": ("Background Jobs", {"public": 0, "for_user": "test_navigates@example.com"}),
    "Workspace Sidebar": ("Background Jobs", {"items": []}),
    "Desktop Icon": ("Background Jobs", {"hidden": 1}),
}
"""Those of Frappe 16, each with a change that Frappe allows to all of Desk."""
FILES = (("desktop_icon", "background_jobs.json"), ("workspace_sidebar", "background_jobs.json"))


@pytest.fixture(params=NAVIGATION)
def row(request, site) -> tuple[str, str, dict]:
    doctype, (name, change) = request.param, NAVIGATION[request.param]
    if not frappe.db.exists("DocType", doctype) or not frappe.db.exists(doctype, name):
        pytest.skip(f"this site has no {doctype} {name}")
    return doctype, name, change


def test_others_neither_change_nor_delete_them(web, row):
    # Seen failing: every user of Desk hid them, led them elsewhere or deleted them, for everybody. In developer mode,
    # Frappe had deleted the app's file before the refusal.
    doctype, name, change = row
    user = factory.user("navigates", roles=("Desk User",) if frappe.db.exists("Role", "Desk User") else ("Blogger",))
    client = Client(web).with_token(user)
    address = f"{web}/api/resource/{doctype}/{name}"
    assert client.http.put(address, json=change, timeout=60).status_code in (403, 404, 417)
    assert client.http.delete(address, timeout=60).status_code in (403, 404, 417)
    frappe.db.rollback()
    assert frappe.db.exists(doctype, name)
    assert all(Path(frappe.get_app_path("dartwing_core", *parts)).exists() for parts in FILES)
    if doctype == "Workspace":
        assert frappe.db.get_value(doctype, name, "public")
