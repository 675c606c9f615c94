"""Errors, results and checkpoints without secrets; and what can be declared a secret."""

from __future__ import annotations

import frappe
import pytest
from pydantic import BaseModel

from dartwing_core.jobs import (
    InvalidJobError,
    JobContext,
    Secret,
    enqueue,
    get_job_history,
    job_handler,
    submit_job,
)
from dartwing_core.jobs.lib.secret_values import MASK
from dartwing_core.jobs.types import functions
from dartwing_core.jobs.types.parameters import declared_by
from tests.support import enqueued_functions, factory, schedules
from tests.support.jobs import run, submitted
from tests.support.secret_rows import GIVEN, TOKEN, tables_with, typed

pytestmark = pytest.mark.usefixtures("no_sweeps")

DEFAULT = Secret("default-s3cret")


class Token(Secret):
    """A secret of an app's own."""


@pytest.mark.parametrize(
    "token",
    [
        *("tail-s3cret\n", "ab&cd<s3cret", "first-line-1\nsecond-line-2", "double  blank-s3cret"),
        *("&lt;b&gt;x-s3cret<br>yy", "ab'cd\"ef-s3cret"),
    ],
)
@pytest.mark.parametrize("handler", ["telling_secret", "fails_in_html", "fails_escaped"])
def test_texts_that_frappe_has_changed(handler, token):
    # Seen failing in HTML: tags and blanks of the secret were taken off before it was looked for.
    done = run(submitted(typed(handler), token=f"bad{token}"))
    for part in ("s3cret", *token.replace("&lt;", "<").split("\n")):
        assert not part or part not in done["error_message"]


def test_an_error_is_masked_before_it_is_cut():
    for handler in ("fails_late", "fails_very_late"):
        done = run(submitted(typed(handler), token=TOKEN))
        assert TOKEN[:4] not in done["error_message"]


@pytest.mark.parametrize(("handler", "token"), [("saves_secret", TOKEN), ("saves_json", 'ab"cd-s3cret')])
def test_a_checkpoint_holds_none(handler, token):
    done = run(submitted(typed(handler), token=token))
    assert done["error_message"] == "A checkpoint can't hold a secret parameter."
    assert tables_with("s3cret") == []


def test_a_job_that_is_put_back_says_none():
    job = submitted(typed("puts_itself_back"), token=TOKEN)
    run(job)
    assert f"Put back in line: until {MASK}" in {event["message"] for event in get_job_history(job.name)["history"]}
    assert tables_with(TOKEN) == []


@pytest.mark.parametrize("handler", ["with_strict_model", "with_strict_secret"])
def test_what_a_validator_says_is_masked(handler):
    # Seen failing: a model's validator has no place, and an assertion is another kind of error than a ValueError.
    with pytest.raises(InvalidJobError, match="is wrong") as error:
        submit_job(typed(handler), factory.ALPHA, {"url": "bad", "token": TOKEN})
    assert TOKEN not in str(error.value)


@job_handler("test_declaring_secret")
def declaring_secret(context: JobContext, url: str, token: Secret[str] | None = None) -> None:
    """Submits jobs by itself. Its module is in no hook, so no other test finds its type."""


def test_an_error_log_with_variables_holds_none():
    # Seen failing: the engine's own variables held the parameters as text.
    def submit_wrong() -> None:
        submit_job(typed("with_secret"), factory.ALPHA, {"url": 5, "token": Secret(TOKEN)})

    def save_wrong() -> None:
        schedules.document(typed("with_secret"), parameters=frappe.as_json(GIVEN | {"url": 5})).insert()

    def name_wrong() -> None:
        declaring_secret.submit(factory.ALPHA, "x", nothere=Secret(TOKEN))

    for refused, said in (
        (submit_wrong, "url must"),
        (save_wrong, "url must"),
        (name_wrong, "a Secret may stand only"),
    ):
        try:
            refused()
        except (frappe.ValidationError, TypeError):
            text = frappe.get_traceback(with_context=True)
        assert said in text
        assert TOKEN not in text


def test_a_site_with_a_broken_key_says_so(monkeypatch):
    monkeypatch.setitem(frappe.local.conf, "encryption_key", "no key")
    with pytest.raises(InvalidJobError, match=r"encryption_key in the site's site_config\.json is not valid"):
        submit_job(typed("with_secret"), factory.ALPHA, GIVEN)


def test_a_secret_inside_of_something_is_refused_where_it_is_declared():
    @job_handler
    def listing(context, tokens: list[Secret[str]]):
        """Declares secrets in a list."""

    with pytest.raises(TypeError, match="a secret is a parameter itself"):
        declared_by(listing)


def test_a_secret_of_an_apps_own_class_is_one():
    def own(context, token):
        """Takes a secret of its own class."""

    own.__annotations__["token"] = Token
    assert declared_by(own).secrets == {"token"}


def test_a_default_would_be_shown():
    def with_text(context, token: Secret[str] = "default-s3cret"):
        """A default in the code."""

    class Model(BaseModel):
        token: Secret[str] = DEFAULT

    def with_model(context, parameters):
        """The same in a model."""

    def with_none(context, token: Secret[str] | None = None):
        """No default."""

    with_model.__annotations__["parameters"] = Model
    for function in (with_text, with_model):
        with pytest.raises(TypeError, match="a secret has no default but None: token"):
            declared_by(function)
    assert declared_by(with_none).secrets == {"token"}


def test_enqueue_takes_no_secret(monkeypatch):
    # Seen failing: the argument stood in the row and on screens.
    monkeypatch.setitem(frappe.conf, functions.HOOK, [f"{enqueued_functions.NAME}.by_token"])
    with pytest.raises(InvalidJobError, match="takes a Secret, which enqueue can't encrypt"):
        enqueue(enqueued_functions.by_token, token=TOKEN, job_organization=factory.ALPHA)
