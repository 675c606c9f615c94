"""Arguments of requests as pydantic models: their check, its errors for people, and their description come from these.

A JSON body holds values. A query and form fields hold text, which may be JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_type_hints

from frappe import _
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError, from_json

from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.lib.texts import as_sentence
from dartwing_core.jobs.types.parameters import problems_of

from .answers import OnParentFailure, Priority

TRANSPORT = frozenset({"cmd", "csrf_token", "sid", "lang", "_lang", "_"})
"""Names that Frappe and browsers send beside the arguments of a function."""
MOST_PROBLEMS = 20


class Arguments(BaseModel):
    """The arguments of an endpoint. Empty ones count as not given."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        return {name: value for name, value in sent.items() if name not in TRANSPORT and value not in (None, "")}


def model_of(function: Callable[..., Any], kinds: dict[str, Any]) -> type[Arguments]:
    """The model of a function's arguments: by `kinds`, by name if they mean the same everywhere, else by annotation."""
    # What an operation returns is known to type checkers alone.
    hints, fields = get_type_hints(function, localns={"Document": Any}, include_extras=True), dict[str, Any]()
    kinds = NAMED | kinds
    for name, argument in inspect.signature(function).parameters.items():
        kind = kinds.get(name, hints[name])
        if name in kinds and argument.default is None:
            kind |= None
        fields[name] = (kind, ... if argument.default is argument.empty else argument.default)
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

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
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
Text = Annotated[str, StringConstraints(max_length=10_000)]
JobTypeName = Annotated[Text, about("Name of a Job Type")]
OrganizationName = Annotated[Text, about("Id or exact name of one of your organizations")]
TIME = _one_error(lambda: _("must be a time (ISO 8601), or a number of seconds from now"))
WHEN = about("The earliest start: a time (ISO 8601), or a number of seconds from now")
Callback = Annotated[
    dict[str, Any] | None,
    JSON,
    about("A job (job_type, parameters, priority, title) made then, with batch_id among its parameters"),
]
NAMED: dict[str, Any] = {
    "job_id": Annotated[Text, about("Id of a job, such as JOB-1K11R5XW3ZB0000ABCDE")],
    "batch_id": Annotated[Text, about("Id of a batch, such as BATCH-1K11R5XW3ZB0000ABCDE")],
    "schedule_id": Annotated[Text, about("Id of a schedule, such as SCHEDULE-1K11R5XW3ZB0000ABCDE")],
    "job_type": JobTypeName,
    "organization": OrganizationName,
    "limit": Annotated[int, about("The largest number of rows; the server may lower it")],
    "offset": Annotated[int, about("The number of rows to skip")],
    "job_ids": Annotated[list[Text], JSON, about("Ids of at most 500 jobs")],
    "fingerprints": Annotated[list[Text], JSON, about("Of errors, as the report Dead Letters by Error has them")],
    "reason": Annotated[Text, about("Kept with what is canceled")],
    "parameters": Annotated[dict[str, Any], JSON, about("An object that the handler gets")],
    "available_at": Annotated[Text | float, TIME, WHEN],
    "hours": Annotated[int, about("Counts jobs that were submitted within this number of hours")],
}
"""Arguments that mean the same for each endpoint."""


class Reference(Arguments):
    """A document that a job is about."""

    doctype: Text
    name: Text


class SubmitJob(Arguments):
    """A job to submit."""

    job_type: JobTypeName
    organization: OrganizationName | None = None
    parameters: Annotated[dict[str, Any] | None, JSON, about("An object that the handler gets")] = None
    priority: Priority | None = None
    depends_on: Annotated[
        Text | list[Text] | None,
        _one_error(lambda: _("must be the id of a job, or a list of ids")),
        LIST,
        about("A job of the same organization that must complete first, or several"),
    ] = None
    available_at: Annotated[Text | float | None, TIME, WHEN] = None
    dedup_key: Annotated[Text | None, about("Jobs with the same key are duplicates, whatever their parameters")] = None
    on_duplicate: Literal["raise", "return", "replace"] = "raise"
    on_parent_failure: Annotated[
        OnParentFailure,
        Field(
            description="What happens to the job if a job that it depends on is canceled, fails for good or is deleted"
        ),
    ] = "dead_letter"
    deduplication: Annotated[
        Literal["while_unfinished", "within_window", "never"] | None,
        about("How long an equal job is a duplicate; by default as the Job Type says"),
    ] = None
    timeout: Annotated[int | None, about("Seconds for an attempt, at most what the Job Type allows")] = None
    max_retries: Annotated[int | None, about("At most what the Job Type allows")] = None
    title: Annotated[Text | None, about("A name that tells the job from others of its type")] = None
    reference: Annotated[
        Reference | None, JSON, about("The document that it is about, whose form then shows the job")
    ] = None
    tags: Annotated[list[Text] | None, LIST, about("Texts by which list_jobs finds it")] = None


class JobRequest(SubmitJob):
    """The arguments of submit_job, and a `key`, by which `depends_on` of others may name the job."""

    key: Text | None = None


class SubmitJobs(Arguments):
    """Several jobs to submit."""

    jobs: Annotated[list[JobRequest], JSON, about("Each with the arguments of submit_job")]
