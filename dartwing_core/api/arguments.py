"""Arguments of requests as pydantic models: their check, its errors for people, and their description come from these.

A JSON body holds values. A query and form fields hold text, which may be JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args, get_type_hints

from frappe import _
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WrapValidator, create_model, model_validator
from pydantic_core import PydanticCustomError, from_json

from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.lib.texts import as_sentence
from dartwing_core.jobs.types.parameters import problems_of

from .answers import Frequency, OnParentFailure, Priority, Status, Unit

TRANSPORT = frozenset({"cmd", "csrf_token", "sid", "lang", "_lang", "_"})
"""Names that Frappe and browsers send beside the arguments of a function."""
MOST_PROBLEMS = 20


class Arguments(BaseModel, extra="forbid"):
    """The arguments of an endpoint. Empty ones count as not given."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        return {name: value for name, value in sent.items() if name not in TRANSPORT and value not in (None, "")}


def model_of(function: Callable[..., Any], **kinds: Any) -> type[Arguments]:
    """The model of a function's arguments: by `kinds`, by name if they mean the same everywhere, else by annotation.

    `kinds` may name further arguments, which need not be given. None leaves one out.
    """
    # What an operation returns is known to type checkers alone.
    hints, told = get_type_hints(function, localns={"Document": Any}, include_extras=True), NAMED | kinds
    defaults = {name: argument.default for name, argument in inspect.signature(function).parameters.items()}
    fields: dict[str, Any] = {}
    for name in dict.fromkeys((*defaults, *kinds)):
        kind, default = told.get(name, hints.get(name)), defaults.get(name)
        if kind is not None:
            kind = kind | None if name in told and default is None else kind
            fields[name] = (kind, ... if default is inspect.Parameter.empty else default)
    return create_model(function.__name__, __base__=Arguments, **fields)


def read(model: type[Arguments], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The given arguments of a request by name. Raises InvalidJobError that says what is wrong with each."""
    try:
        return model.model_validate(dict(sent)).model_dump(exclude_unset=True)
    except ValidationError as error:
        problems = "; ".join(problems_of(error, known=model.model_fields)[:MOST_PROBLEMS])
    raise InvalidJobError(as_sentence(problems))  # out here, without the error that holds what was sent


# Types of arguments --------------------------------------------------------------------------------------------------


def _parsed(value: Any) -> Any:
    """The value in the JSON text of a form field. Any other value unchanged."""
    try:
        return from_json(value.encode()) if isinstance(value, str) else value
    except ValueError:
        raise _told(_("is not valid JSON")) from None


def _list_parsed(value: Any) -> Any:
    return _parsed(value) if isinstance(value, str) and value.lstrip().startswith("[") else value


def _told(text: str) -> PydanticCustomError:
    return PydanticCustomError("told", "{text}", {"text": text})


def _one_error(text: Callable[[], str]) -> WrapValidator:
    """One error in place of one for each type that a value may have."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise _told(text()) from None

    return WrapValidator(check)


def about(text: str) -> Any:
    """The description of an argument."""
    return Field(description=text)


JSON = BeforeValidator(_parsed)
LIST = BeforeValidator(_list_parsed)
"""A list is JSON text in a form field. Other text is no list."""
TIME = _one_error(lambda: _("must be a time (ISO 8601), or a number of seconds from now"))
STATUSES = _one_error(lambda: _("must be one of: {0}").format(", ".join(get_args(Status))))
ID_OR_IDS = _one_error(lambda: _("must be the id of a job, or a list of ids"))
Text = Annotated[str, Field(max_length=10_000)]
Callback = Annotated[dict[str, Any] | None, JSON, about("A job, made then: job_type, parameters, priority, title")]


class Reference(Arguments):
    """A document that a job is about."""

    doctype: Text
    name: Text


NAMED: dict[str, Any] = {
    "job_id": Annotated[Text, about("Id of a job, such as JOB-1K11R5XW3ZB0000ABCDE")],
    "batch_id": Annotated[Text, about("Id of a batch, such as BATCH-1K11R5XW3ZB0000ABCDE")],
    "schedule_id": Annotated[Text, about("Id of a schedule, such as SCHEDULE-1K11R5XW3ZB0000ABCDE")],
    "job_ids": Annotated[list[Text], JSON, about("Ids of at most 500 jobs")],
    "job_type": Annotated[Text, about("Name of a Job Type")],
    "organization": Annotated[Text, about("Id or exact name of one of your organizations")],
    # Of submits and changes
    "parameters": Annotated[dict[str, Any], JSON, about("An object that the handler gets")],
    "priority": Priority,
    "depends_on": Annotated[Text | list[Text], ID_OR_IDS, LIST, about("One or several jobs that must complete first")],
    "available_at": Annotated[Text | float, TIME, about("The earliest start: ISO 8601, or seconds from now")],
    "dedup_key": Annotated[Text, about("Jobs with the same key are duplicates, whatever their parameters")],
    "on_duplicate": Literal["raise", "return", "replace"],
    "on_parent_failure": Annotated[OnParentFailure, about("What happens if one of them is canceled or fails for good")],
    "deduplication": Annotated[
        Literal["while_unfinished", "within_window", "never"],
        about("How long an equal job is a duplicate; by default as the Job Type says"),
    ],
    "timeout": Annotated[int, about("Seconds for an attempt, at most what the Job Type allows")],
    "max_retries": Annotated[int, about("At most what the Job Type allows")],
    "title": Annotated[Text, about("A name that tells the job from others of its type")],
    "reference": Annotated[Reference, JSON, about("The document that it is about, whose form then shows the job")],
    "tags": Annotated[list[Text], LIST, about("Texts by which list_jobs finds it")],
    "fingerprints": Annotated[list[Text], JSON, about("Of errors, as the report Failed Jobs by Error has them")],
    "reason": Annotated[Text, about("Kept with what is canceled")],
    # Of schedules
    "frequency": Frequency,
    "cron": Annotated[Text, about("Minute, hour, day, month and weekday, such as 30 7 * * mon-fri")],
    "every": Annotated[int, about("The interval, as a number of `every_unit`")],
    "every_unit": Unit,
    "time_zone": Annotated[Text, about("Such as Europe/Berlin; the site's by default")],
    # Of lists and figures
    "limit": Annotated[int, about("The largest number of rows; the server may lower it")],
    "offset": Annotated[int, about("The number of rows to skip")],
    "owner_user": Annotated[Text, about("Only jobs of this user")],
    "from_date": Annotated[Text, about("Made at this time (ISO 8601) or later")],
    "to_date": Annotated[Text, about("Made at this time (ISO 8601) or before")],
    "order_by": Annotated[Text, about("creation, modified, status, priority or a time, with asc or desc")],
    "batch": Annotated[Text, about("Only jobs of this batch")],
    "schedule": Annotated[Text, about("Only jobs of this schedule")],
    "tag": Annotated[Text, about("Only jobs with this tag, among the newest 10,000")],
    "hours": Annotated[int, about("Counts jobs that have ended within this number of hours")],
}
"""Arguments that mean the same for each endpoint."""
