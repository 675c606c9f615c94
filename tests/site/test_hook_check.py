"""Wrong words in the hooks of apps and in site_config.json are told, each with what was probably meant."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import frappe
import pytest

from dartwing_core import commands, install
from dartwing_core.jobs.job import event_jobs
from dartwing_core.jobs.operations import hook_check
from dartwing_core.jobs.types import named_code
from tests.support import database

APP = "dartwing_core"
HEAR = f"{__name__}.hear"
CODE = "tests.support.enqueued_functions"


def hear(event: str, **details: str) -> None:
    """A function that a hook may name."""


@pytest.fixture
def declare(site, monkeypatch) -> Callable[..., None]:
    """Adds hooks to those of an app, as Frappe collects them: each value is in a list."""
    declared: dict[str, Any] = {}
    original = frappe.get_hooks

    def with_ours(hook=None, default="_KEEP_DEFAULT_LIST", app_name=None):
        if hook is None and app_name == APP:
            return frappe._dict(original(app_name=APP) | declared)
        return original(hook, default, app_name)

    monkeypatch.setattr(frappe, "get_hooks", with_ours)
    return lambda **named: declared.update({name: as_collected(value) for name, value in named.items()})


def as_collected(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_collected(inner) for key, inner in value.items()}
    return value if isinstance(value, list) else [value]


def told(*, of: str = APP) -> list[str]:
    """The problems of one app or file, without its name."""
    start = f"{of}, hook "
    return [problem.removeprefix(start) for problem in hook_check.find_problems() if problem.startswith(start)]


def test_hooks_without_a_mistake_have_no_problem(declare, monkeypatch):
    assert hook_check.find_problems() == []
    declare(
        background_job_events={"*": {"failed": [HEAR]}, "echo_job": {"dead_letter": HEAR}},
        job_batch_events={"completed": HEAR},
        background_job_handlers=[CODE, HEAR, "tests.support.handler_classes"],
        background_job_functions=[f"{CODE}.*", "tests.support.*", HEAR, "tests.*.later", "*"],
    )
    monkeypatch.setitem(frappe.conf, "background_job_functions", [f"{CODE}.*"])
    assert hook_check.find_problems() == []


def test_a_type_that_is_no_longer_in_code_is_named(declare):
    gone = frappe.get_doc({"doctype": "Job Type", "type_name": "test_gone", "handler_method": "a.b"})
    gone.flags.ignore_validate = True
    gone.insert()
    gone.db_set({"code_state": "No Longer in Code", "is_enabled": 0})
    declare(background_job_events={"test_gone": {"failed": HEAR}})
    said = told()
    frappe.delete_doc("Job Type", "test_gone", force=True)
    assert said == [
        "background_job_events: Job Type test_gone is no longer in code, "
        "and takes no jobs. Declare it again, or take it out of the hook."
    ]


@pytest.mark.parametrize(
    ("by_type", "said"),
    [
        (
            {"*": {"complete": HEAR}},
            'background_job_events["*"]: event complete is unknown: did you mean completed? Correct the name.',
        ),
        (
            {"*": {"xyz": HEAR}},
            'background_job_events["*"]: event xyz is unknown (known: canceled, completed, dead_letter, failed, '
            "retried, started, submitted). Correct the name.",
        ),
        (
            {"ecko_job": {"failed": HEAR}},
            "background_job_events: Job Type ecko_job is unknown: did you mean echo_job? "
            "Correct the name, or declare the type.",
        ),
        ({"*": {"failed": "hear"}}, 'background_job_events["*"]["failed"]: hear is no dotted path: write it like '),
        ({"*": {"failed": hear}}, 'background_job_events["*"]["failed"]: <function hear at'),
        ({"*": {"failed": "tests." * 30 + "hear"}}, "is longer than 140 characters"),
        ({"dead_letter": [HEAR]}, 'background_job_events["dead_letter"]: write a dict, such as {"failed": …}.'),
        (
            {"*": {"failed": "tests.suport.records.hear"}},
            'background_job_events["*"]["failed"]: tests.suport.records.hear does not exist. '
            "In tests, suport is unknown: did you mean support? Correct the name.",
        ),
        ({"*": {"failed": "dartwing_coer.jobs.hear"}}, "dartwing_coer is unknown: did you mean dartwing_core?"),
        ({"*": {"failed": f"{__name__}.HEAR"}}, f"{__name__}.HEAR is no function. Name one."),
    ],
)
def test_a_wrong_word_of_job_events_is_named(declare, by_type, said):
    # Seen failing: the function was never called, or its jobs became dead letters.
    declare(background_job_events=by_type)
    assert any(said in problem for problem in told()), told()


def test_a_wrong_word_of_batch_events_is_named(declare):
    declare(job_batch_events={"complete": HEAR, "failed": f"{__name__}.heer"})
    first, second = told()
    assert first == "job_batch_events: event complete is unknown: did you mean completed? Correct the name."
    assert 'job_batch_events["failed"]' in second
    assert "did you mean hear?" in second


def test_a_module_of_handlers_that_does_not_exist_is_named(declare):
    # Seen failing: its Job Types were missing or disabled, and no line said why.
    declare(background_job_handlers=["tests.support.handlrs", f"{CODE}.enqueabl"])
    first, second = told()
    assert "background_job_handlers: tests.support.handlrs does not exist. In tests.support, handlrs is" in first
    assert "did you mean handlers?" in first
    assert f"In {CODE}, enqueabl is unknown" in second


def test_site_config_is_checked_too(site, monkeypatch):
    monkeypatch.setitem(frappe.conf, "background_job_handlers", ["no_such_jobs"])
    monkeypatch.setitem(frappe.conf, "background_job_functions", [f"{CODE}s.*"])
    first, second = told(of="site_config.json")
    assert first == "background_job_handlers: no_such_jobs is unknown. Correct the name."
    assert "did you mean enqueued_functions?" in second


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (f"{CODE}.nothing_like_*", f"{CODE}.nothing_like_* matches no function of {CODE}. Correct it."),
        (f"{__name__}.frapp*", "matches no function"),
        ("tests.suport.*", "tests.suport does not exist. In tests, suport is unknown: did you mean support?"),
        (f"{__name__}.heer", "did you mean hear?"),
    ],
)
def test_a_pattern_that_matches_nothing_is_named(declare, pattern, said):
    declare(background_job_functions=[pattern])
    (problem,) = told()
    assert problem.startswith("background_job_functions: ")
    assert said in problem


@pytest.fixture
def broken(tmp_path, monkeypatch) -> Iterator[str]:
    """A module that can't be imported."""
    (tmp_path / "test_broken_jobs.py").write_text("raise ValueError('not so')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "test_broken_jobs"
    sys.modules.pop("test_broken_jobs", None)


def test_a_module_that_can_not_be_imported_is_named_with_its_error(declare, broken):
    declare(background_job_events={"*": {"failed": f"{broken}.hear"}})
    assert told() == [
        f'background_job_events["*"]["failed"]: {broken} can\'t be imported: ValueError: not so. Correct the module.'
    ]


def test_a_check_that_fails_keeps_no_other_from_being_made(declare, monkeypatch):
    declare(job_batch_events={"complete": HEAR}, background_job_handlers=["tests.nothing"])
    monkeypatch.setattr(named_code, "check_module_or_function", lambda _path: 1 / 0)
    first, second = told()
    assert first.startswith("job_batch_events: event complete")
    assert second == "background_job_handlers: it can't be checked: ZeroDivisionError: division by zero"


def test_problems_are_printed_after_a_migration_by_an_install_and_by_the_command(declare, capsys):
    declare(job_batch_events={"complete": HEAR})
    line = f"{APP}, hook job_batch_events: event complete is unknown: did you mean completed? Correct the name.\n"
    for print_them in (
        install.after_migrate,
        lambda: install.after_app_install("other_app"),
        lambda: commands.print_types(sync=False),
        lambda: commands.print_types(sync=True),
    ):
        print_them()
        assert capsys.readouterr().err.count(line) == 1
    frappe.db.rollback()


def test_a_check_of_many_words_reads_each_table_once(declare):
    declare(
        background_job_events={"echo_job": {"failed": HEAR}, "ecko_job": {"failed": HEAR}},
    )
    hook_check.find_problems()
    with database.statements() as sent:
        hook_check.find_problems()
    assert len(sent) <= 3


def test_known_events_are_those_that_have_jobs():
    documented = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    for event in (*event_jobs.EVENTS, *event_jobs.BATCH_EVENTS):
        assert f"`{event}`" in documented


@pytest.mark.parametrize("wrong", ["background_jobs_events", "background_job_events_", "job_batch_event"])
def test_a_misspelt_name_of_a_hook_is_told(declare, wrong):
    # Seen failing: nothing was said, and nothing happened.
    declare(**{wrong: {}})
    [said] = [problem for problem in hook_check.find_problems() if wrong in problem]
    assert "id you mean" in said
