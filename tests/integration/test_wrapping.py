"""Rules stand in the places of Frappe's functions on sites with the app alone, and get no blame for others' errors."""

from __future__ import annotations

import traceback

import frappe
import pytest
from frappe.desk.doctype.notification_log import notification_log

import dartwing_core.wall
from dartwing_core.jobs.base import config
from dartwing_core.wall import by_request, guard, wrapping
from tests.support import factory, tenants, web_request
from tests.support.database import statements


@pytest.fixture
def notified(site) -> str:
    return factory.user("notified", roles=("Desk User",))


@pytest.fixture
def without_app(site, monkeypatch) -> None:
    """The site has no such app: nothing of it may be read."""

    def fail() -> None:
        raise ImportError("Module import failed for Job Engine Settings")

    installed = [app for app in frappe.get_installed_apps() if app != wrapping.APP]
    monkeypatch.setattr(frappe, "get_installed_apps", lambda **_given: installed)
    monkeypatch.setattr(config, "_read_settings", fail)
    monkeypatch.setitem(frappe.flags, "in_uninstall", True)  # Frappe 15 refuses hooks of apps that are not installed


def test_a_site_without_the_app_notifies_as_frappe_does(notified, without_app):
    # Seen failing: ImportError, as the worker had loaded the wall for another site of its bench.
    about = {"type": "Mention", "document_type": "ToDo", "document_name": "t0d0", "subject": "x", "from_user": "Guest"}
    notification_log.make_notification_logs(frappe._dict(about), [notified])
    assert frappe.get_all("Notification Log", {"for_user": notified}, pluck="document_name") == ["t0d0"]


def test_a_site_without_the_app_gets_frappes_own_function(site, monkeypatch):
    # Seen failing: the rule ran on both sites, as the process had loaded it for one of them.
    own, ruled = [], []

    def rule(_own):
        return lambda *_given: ruled.append(frappe.local.site)

    class Theirs:
        def method(self) -> None:
            own.append(frappe.local.site)

    wrapping.replace(Theirs, "method", rule)
    try:
        Theirs().method()
        with monkeypatch.context() as patch:
            patch.setattr(frappe, "get_installed_apps", lambda **_given: ["frappe"])
            Theirs().method()
    finally:
        del wrapping.ORIGINALS[Theirs, "method"]
    assert (len(ruled), len(own)) == (1, 1)


def test_a_request_of_the_app_asks_for_no_installed_apps(site, monkeypatch):
    with web_request.made("GET", "/api/resource/ToDo", tenants.email_of("roleless")):
        guard.check_request()
        monkeypatch.setattr(frappe, "get_installed_apps", None)
        assert wrapping.is_installed()


def test_the_question_for_the_app_costs_one_statement_at_most_while_a_job_runs(site):
    assert wrapping.is_installed()
    with statements() as seen:
        assert all(wrapping.is_installed() for _time in range(3))
    assert seen == []


def test_there_is_no_app_where_no_site_is_connected(site, monkeypatch):
    # Frappe would connect to answer.
    with monkeypatch.context() as patch:
        patch.delattr(frappe.local, "db")
        assert not wrapping.is_installed()


def test_an_error_that_passes_a_rule_blames_not_the_app(site):
    # Seen failing: Frappe 16 named this app as the source of every error in a statement.
    by_request.watch(True)
    try:
        with pytest.raises(Exception) as failed:
            frappe.db.sql("select nothing from `tabNo Such Table`")
    finally:
        frappe.flags.pop(by_request.FLAG)
    frames = traceback.extract_tb(failed.value.__traceback__)
    assert not [frame.filename for frame in frames if frame.filename.startswith(dartwing_core.wall.__path__[0])]
    assert any("statement_rules.py" in frame.filename and frame.line for frame in frames), "the line is still shown"
