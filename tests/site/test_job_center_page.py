"""What the server gives the /job-center page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs.access import visibility
from dartwing_core.www import job_center
from tests.support import factory

FOLDER = Path(job_center.__file__).parents[1]
SCRIPTS = {path.stem: path.read_text() for path in (FOLDER / "public" / "job_center").glob("*.js")}


def test_the_page_holds_the_translation_of_each_text_of_its_scripts(site, monkeypatch):
    # Seen failing: with a text in a variable.
    monkeypatch.setattr(job_center, "_", str.upper)
    calls = sum(len(re.findall(r"\b__\((?!text)", source)) for source in SCRIPTS.values())
    texts = [text for source in SCRIPTS.values() for text in job_center.TEXT.findall(source)]
    assert calls == len(texts)
    assert set(job_center.SCRIPTS) == set(SCRIPTS)
    assert job_center.words() == {text: text.upper() for text in texts}


def page() -> dict:
    """What the page's template shows to Administrator."""
    context = frappe._dict()
    job_center.get_context(context)
    return context.job_center


def test_data_for_the_script_ends_no_element(monkeypatch):
    name = "Evil </script><!-- csrf_token --> & Söhne"
    monkeypatch.setattr(job_center, "page_data", lambda _viewer: {"organizations": [name]})
    text = page()["data"]
    assert not re.search(r"[<>&]", text)
    assert json.loads(text) == {"organizations": [name]}


@pytest.mark.parametrize(("role", "sees_others"), [("Member", False), ("Admin", True)])
def test_the_page_knows_what_its_user_may(site, monkeypatch, role, sees_others):
    monkeypatch.setattr(job_center, "get_csrf_token", lambda: "token")
    user = factory.user(f"page_{role.lower()}", factory.ALPHA, roles=(), org_role=role)
    factory.job_type("plain", display_name="Plain work")
    factory.job_type("secret", requires_permission="System Manager")
    frappe.set_user(user)
    data = job_center.page_data(visibility.viewer())
    assert (data["user"], data["sees_others"]) == (user, sees_others)
    assert data["organizations"] == [(factory.ALPHA, factory.title_of(factory.ALPHA))]
    assert data["job_types"]["test_plain"] == "Plain work"
    assert "test_secret" not in data["job_types"], "a type that the user may not have"
    assert data["time_zone"]
