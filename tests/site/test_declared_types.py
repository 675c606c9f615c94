"""Job Types that code declares: made, changed, renamed and disabled as it says; what a site has changed stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import frappe
import pytest

from dartwing_core import commands, install
from dartwing_core.jobs import InvalidJobError, get_job_type_overview, job_handler, submit_job
from dartwing_core.jobs.types import declared_types, handlers
from tests.support import declared_handlers, factory
from tests.support.jobs import run, submitted

NAME, MODULE = "test_declared", declared_handlers.__name__
PATH = f"{MODULE}.declared"


@pytest.fixture(autouse=True)
def _in_registry(site, monkeypatch) -> Iterator[None]:
    """The module is in the registry; its types are removed afterwards."""
    named = [*(frappe.conf.get(handlers.HANDLERS_HOOK) or []), MODULE]
    monkeypatch.setitem(frappe.conf, handlers.HANDLERS_HOOK, named)
    yield
    frappe.db.rollback()
    for name in frappe.get_all("Job Type", {"name": ["like", "test%declared%"]}, pluck="name"):
        frappe.delete_doc("Job Type", name, force=True)
    frappe.db.commit()


@pytest.fixture
def code(monkeypatch) -> Callable[..., None]:
    """A function that gives the module a handler whose type has this name and these options; None takes it away."""

    def declare(name: str | None, **options: Any) -> None:
        if name is None:
            monkeypatch.delattr(declared_handlers, "declared")
            return

        def declared(context, customer: str):
            """Sends."""

        declared.__module__, declared.__qualname__ = MODULE, "declared"
        monkeypatch.setattr(declared_handlers, "declared", job_handler(name, **options)(declared))

    return declare


def sync() -> declared_types.SyncReport:
    report = declared_types.sync_types()
    frappe.db.commit()
    return report


def stored(name: str = NAME):
    return frappe.get_doc("Job Type", name)


def test_a_type_is_made_as_the_code_says_and_runs():
    sync()
    found = stored()
    values = {
        "handler_method": PATH,
        "timeout_handler_method": f"{MODULE}.clean_up",
        "default_timeout": 120,
        "max_retries": 3,
        "default_priority": "High",
        "retry_delays": "10, 60",
        "retry_on": "ConnectionError, BadZipFile",
        "never_retry_on": "PermanentError",
        "rate_limit": 7,
        "max_concurrent": 2,
        "deduplication_window": 0,
        "own_process": 1,
        "description": "Sends what a customer owes.",
        "display_name": "Test Declared",
        "code_state": "In Code",
        "is_enabled": 1,
    }
    assert {field: found.get(field) for field in values} == values
    job = submitted(NAME, customer="C")
    assert run(job)["result"] == {"customer": "C"}


def test_a_second_sync_changes_nothing():
    sync()
    before = stored().modified
    assert sync().problems == []
    assert stored().modified == before


def test_what_the_site_has_changed_stays_and_the_rest_follows_the_code(code):
    sync()
    stored().update({"default_timeout": 999, "retry_on": "", "is_enabled": 0}).save()
    code(NAME, timeout=60, max_retries=9, retry_on={OSError})
    sync()
    found = stored()
    assert (found.default_timeout, found.retry_on, found.is_enabled) == (999, "", 0), "changed here"
    assert (found.max_retries, found.rate_limit, found.max_concurrent) == (9, 0, 0), "as the code says now"
    assert declared_types.differences(found) == {"default_timeout": (60, 999), "retry_on": ("OSError", "")}
    told = get_job_type_overview(NAME)["differences_from_code"]
    assert {"label": "Time Limit (Seconds)", "here": "999", "code": "60"} in told


def test_a_type_that_is_no_longer_in_code_is_disabled_until_it_is_back(code, monkeypatch):
    sync()
    with monkeypatch.context() as gone:
        gone.delattr(declared_handlers, "declared")
        sync()
    with pytest.raises(InvalidJobError, match="is disabled"):
        submit_job(NAME, factory.ALPHA, {"customer": "C"})
    assert stored().code_state == "No Longer in Code"
    sync()
    assert stored().is_enabled


def test_a_renamed_type_takes_its_jobs_along(code):
    sync()
    job = submitted(NAME, customer="C")
    code("test_re_declared", former_names=["test_before_that", NAME])
    sync()
    assert frappe.db.get_value("Background Job", job.name, "job_type") == "test_re_declared"
    assert not frappe.db.exists("Job Type", NAME)


def test_a_former_name_that_another_handler_declares_is_not_taken(code, monkeypatch):
    # Seen failing: the type, with its jobs, became the one that names it.
    sync()
    job = submitted(NAME, customer="C")

    def another(context, customer: str):
        """Sends otherwise."""

    another.__module__, another.__qualname__ = MODULE, "another"
    monkeypatch.setattr(declared_handlers, "another", job_handler(NAME)(another), raising=False)
    code("test_re_declared", former_names=[NAME])
    sync()
    assert frappe.db.get_value("Background Job", job.name, "job_type") == NAME


def test_a_type_of_others_is_not_renamed(code):
    # Seen failing: the site's own type of a former name was gone.
    by_hand = {"type_name": "test_own_declared", "handler_method": f"{factory.HANDLERS}.nothing"}
    frappe.get_doc({"doctype": "Job Type", **by_hand}).insert()
    frappe.db.set_value("Job Type", "test_own_declared", "declared_by", "other_app.jobs.send")
    code(NAME, former_names=["test_own_declared"])
    sync()
    assert frappe.db.exists("Job Type", "test_own_declared")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retry_delays": 60}, "Error: "),
        ({"timeout": None}, "Error: "),
        ({"timeout": "soon"}, "Error: "),
        ({"retry_on": OSError}, "Error: "),
        ({"on_timeout": 3}, "Error: "),
        ({"timeout": -5}, "timeout must be between"),
        ({"retry_delays": ["soon"]}, "Retry delays must be seconds"),
    ],
)
def test_a_wrong_option_is_a_problem_of_its_type_alone_and_named_as_the_decorator_names_it(code, options, said):
    # Seen failing: it ended the migration of the site; and "Default Timeout must be …", a label of the form.
    code(NAME, **options)
    (problem,) = sync().problems
    assert NAME in problem
    assert said in problem
    assert not frappe.db.exists("Job Type", NAME)


def test_a_type_made_by_hand_keeps_its_values_or_its_handler(code):
    by_hand = {"type_name": NAME, "default_timeout": 77, "max_retries": 5}
    frappe.get_doc({"doctype": "Job Type", "handler_method": PATH, **by_hand}).insert()
    sync()
    assert (stored().default_timeout, stored().max_retries, stored().code_state) == (77, 5, "In Code")
    frappe.delete_doc("Job Type", NAME, force=True)
    frappe.get_doc({"doctype": "Job Type", "handler_method": f"{factory.HANDLERS}.nothing", **by_hand}).insert()
    report = sync()
    assert "test_declared: it was made by hand, with the handler tests.support.handlers.nothing" in report.problems[0]
    assert stored().handler_method == f"{factory.HANDLERS}.nothing"


def test_one_wrong_declaration_keeps_no_other_from_being_made(code, monkeypatch):
    code(NAME, queue="nowhere")

    @job_handler("test_fine_declared")
    def fine(context):
        """Fine."""

    fine.__module__, fine.__qualname__ = MODULE, "fine"
    monkeypatch.setattr(declared_handlers, "fine", fine, raising=False)
    report = sync()
    assert frappe.db.exists("Job Type", "test_fine_declared")
    assert "test_declared: There is no worker queue nowhere" in report.problems[0]
    monkeypatch.setattr(declared_handlers, "fine", job_handler(NAME)(fine))
    assert "is declared by" in sync().problems[0]


def test_code_that_can_not_be_imported_disables_nothing_and_keeps_no_other_from_its_types(code, monkeypatch):
    # Seen failing: one app's broken module kept the types of all apps as they were.
    sync()
    code(NAME, timeout=77)
    monkeypatch.setitem(
        frappe.conf, handlers.HANDLERS_HOOK, ["tests.support.no_such_module", *frappe.conf[handlers.HANDLERS_HOOK]]
    )
    report = sync()
    assert report.unreadable[0].startswith("Hook background_job_handlers: tests.support.no_such_module can't be")
    assert (len(report.unreadable), stored().default_timeout, report.problems) == (1, 77, [])
    monkeypatch.setitem(frappe.conf, "developer_mode", 1)
    with pytest.raises(InvalidJobError, match="no_such_module can't be imported"):
        submit_job("test_of_no_such_module", factory.ALPHA, {})


def test_in_development_a_new_type_is_there_at_once_or_says_what_is_wrong(code, monkeypatch):
    monkeypatch.setitem(frappe.conf, "developer_mode", 0)
    with pytest.raises(InvalidJobError, match="Unknown Job Type"):
        submit_job(NAME, factory.ALPHA, {"customer": "C"})
    monkeypatch.setitem(frappe.conf, "developer_mode", 1)
    assert submit_job(NAME, factory.ALPHA, {"customer": "C"}).job_type == NAME
    frappe.db.rollback()
    code(NAME, queue="nowhere")
    with pytest.raises(InvalidJobError, match="no worker queue nowhere"):
        submit_job(NAME, factory.ALPHA, {"customer": "C"})


def test_migrations_and_other_apps_make_them():
    install.after_app_install("other_app")
    assert frappe.db.exists("Job Type", NAME)
    frappe.delete_doc("Job Type", NAME, force=True)
    install.after_migrate()
    assert frappe.db.exists("Job Type", NAME)


def test_the_command_lists_types_and_differences(capsys):
    commands.print_types(sync=True)
    assert f"{NAME}  {PATH}  (In Code)" in capsys.readouterr().out
    stored().update({"default_timeout": 999, "is_enabled": 0}).save()
    frappe.db.commit()
    commands.print_types(sync=False)
    out = capsys.readouterr().out
    assert f"{NAME}  {PATH}  (In Code, disabled)\n    default_timeout: 999 here, 120 in code\n" in out
