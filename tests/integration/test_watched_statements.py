"""Rules hold, and let pass what they let pass, while a Recorder or a test of an app watches the statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import frappe
import frappe.recorder
import pytest
from frappe.database.database import Database

from dartwing_core.jobs.access import visibility
from dartwing_core.wall import guard
from tests.support import tenants, web_request
from tests.support.frappes_function import asked_by_frappe

WATCHED_IN = "frappe.utils.made_up"
JOBS_BESIDE_OTHERS = "select name from `tabBackground Job` union select name from `tabUser`"


@contextmanager
def recorded() -> Iterator[None]:
    """Frappe's Recorder watches the statements."""
    frappe.recorder.record(force=True)
    try:
        yield
    finally:
        frappe.local._recorder.cleanup()
        del frappe.local._recorder
        vars(frappe.local.db).pop("sql", None)


@contextmanager
def counted() -> Iterator[None]:
    """A function of Frappe's own stands in the place of `Database.sql`, as in `assertQueryCount`, and for Sentry."""
    own, names = Database.sql, {"__name__": WATCHED_IN}
    exec("def made(own):\n    return lambda *given, **named: own(*given, **named)", names)
    Database.sql = names["made"](own)
    try:
        yield
    finally:
        Database.sql = own


WATCHES = pytest.mark.parametrize("watch", [recorded, counted])


@WATCHES
@pytest.mark.parametrize("actor", ["manager", "user"])
def test_lists_are_read_while_statements_are_watched(site, watch: Callable, actor: str):
    # Seen failing: RecursionError for System Managers, and 403 for all others. The Recorder seemed to ask.
    with web_request.made("GET", "/api/resource/ToDo", tenants.email_of(actor)), watch():
        guard.check_request()
        assert isinstance(frappe.get_list("ToDo"), list)
        assert isinstance(frappe.get_list("File"), list)
        visibility.forget()
        assert visibility.viewer().is_enabled


@WATCHES
def test_what_a_function_of_frappes_asks_is_refused_while_statements_are_watched(site, watch: Callable):
    with web_request.made("GET", "/api/resource/ToDo", tenants.email_of("user")), watch():
        guard.check_request()
        with pytest.raises(frappe.PermissionError):
            asked_by_frappe(JOBS_BESIDE_OTHERS)


@WATCHES
def test_what_a_system_manager_asks_by_a_function_of_frappes_passes(site, watch: Callable):
    # Seen failing: the check asked who the user is, and checked that statement, and so on.
    with web_request.made("GET", "/api/resource/ToDo", tenants.email_of("manager")), watch():
        guard.check_request()
        assert isinstance(asked_by_frappe(JOBS_BESIDE_OTHERS), tuple | list)


def test_an_app_asks_while_statements_are_watched(site):
    with web_request.made("GET", "/api/resource/ToDo", tenants.email_of("user")), recorded():
        guard.check_request()
        assert isinstance(asked_by_frappe(JOBS_BESIDE_OTHERS, module="an_app.reports"), tuple | list)
