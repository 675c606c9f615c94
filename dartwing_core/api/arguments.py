"""Arguments of requests as pydantic models: their check, its errors for people, and their description come from these.

A JSON body holds values. A query and form fields hold text, which may be JSON.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
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
from pydantic_core import PydanticCustomError

from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.lib.texts import as_sentence, cut, describe_unknown

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


def model_of(function: Callable[..., Any]) -> type[Arguments]:
    """The model of a function's arguments: of those that mean the same everywhere by name, else by annotation."""
    hints, fields = get_type_hints(function, include_extras=True), dict[str, Any]()
    for name, argument in inspect.signature(function).parameters.items():
        kind = hints[name]
        if name in NAMED:
            kind = NAMED[name] | None if argument.default is None else NAMED[name]
        fields[name] = (kind, ... if argument.default is argument.empty else argument.default)
    return create_model(function.__name__, __base__=Arguments, **fields)


def read(model: type[Arguments], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The given arguments of a request by name. Raises InvalidJobError that says what is wrong with each."""
    try:
        return model.model_validate(dict(sent)).model_dump(exclude_unset=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
        problems = "; ".join(_problem(one, model) for one in found)
    raise InvalidJobError(as_sentence(problems))  # out here, without the error that holds what was sent


def _problem(found: Mapping[str, Any], model: type[Arguments]) -> str:
    kind, context, place = found["type"], found.get("ctx", {}), found["loc"]
    choices = context.get("expected", "").replace("'", "").replace(" or ", ", ")
    if kind == "extra_forbidden" and len(place) == 1:
        return describe_unknown([str(place[0])], model.model_fields)
    texts = {
        "missing": _("{0} is missing"),
        "extra_forbidden": _("{0} is unknown"),
        "literal_error": _("{0} must be one of: {1}").replace("{1}", choices),
        "string_type": _("{0} must be text"),
        "string_too_long": _("{0} is longer than {1} characters").replace("{1}", str(context.get("max_length", ""))),
        "string_unicode": _("{0} is no text"),
        "list_type": _("{0} must be a list"),
        "dict_type": _("{0} must be an object"),
        "model_type": _("{0} must be an object"),
        "no_json": _("{0} is not valid JSON"),
        "one_or_several": _("{0} must be the id of a job, or a list of ids"),
        "time_or_delay": _("{0} must be a time (ISO 8601), or a number of seconds from now"),
    }
    if kind.startswith(("int", "finite")):
        text = _("{0} must be a whole number")
    elif kind.startswith("bool"):
        text = _("{0} must be true or false")
    else:
        text = texts.get(kind) or _("{0} is wrong")
    return text.replace("{0}", _place(place))


def _place(parts: Iterable[int | str]) -> str:
    """Such as `jobs[2].priority`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{cut(part)}" for part in parts)
    return text.removeprefix(".")


# Types of arguments --------------------------------------------------------------------------------------------------


def parsed(value: Any) -> Any:
    """The value in the JSON text of a form field. Any other value unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise PydanticCustomError("no_json", "Not valid JSON") from None


def _list_parsed(value: Any) -> Any:
    return parsed(value) if isinstance(value, str) and value.lstrip().startswith("[") else value


def _one_error(kind: Literal["one_or_several", "time_or_delay"]) -> WrapValidator:
    """One error in place of one for each type that a value may have."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError(kind, kind) from None

    return WrapValidator(check)


def about(text: str) -> Any:
    """The description of an argument."""
    return Field(description=text)


JSON = BeforeValidator(parsed)
LIST = BeforeValidator(_list_parsed)
"""A list is JSON text in a form field. Other text is no list."""
Text = Annotated[str, StringConstraints(max_length=10_000)]
JobIds = Annotated[list[Text], JSON, about("Ids of at most 500 jobs")]
JobTypeName = Annotated[Text, about("Name of a Job Type")]
OrganizationName = Annotated[Text, about("Id or exact name of one of your organizations")]
Parameters = Annotated[dict[str, Any] | None, JSON, about("An object that the handler gets")]
WHEN = about("The earliest start: a time (ISO 8601), or a number of seconds from now")
AvailableAt = Annotated[Text | float, _one_error("time_or_delay"), WHEN]
Callback = Annotated[
    dict[str, Any] | None,
    JSON,
    about("A job (job_type, parameters, priority, title) made then, with batch_id among its parameters"),
]
Reason = Annotated[Text | None, about("Kept with what is canceled")]
NAMED: dict[str, Any] = {
    "job_id": Annotated[Text, about("Id of a job, such as JOB-1K11R5XW3ZB0000ABCDE")],
    "batch_id": Annotated[Text, about("Id of a batch, such as BATCH-1K11R5XW3ZB0000ABCDE")],
    "schedule_id": Annotated[Text, about("Id of a schedule, such as SCHEDULE-1K11R5XW3ZB0000ABCDE")],
    "job_type": JobTypeName,
    "organization": OrganizationName,
    "limit": Annotated[int, about("The largest number of rows; the server may lower it")],
    "offset": Annotated[int, about("The number of rows to skip")],
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
    parameters: Parameters = None
    priority: Priority | None = None
    depends_on: Annotated[
        Text | list[Text] | None,
        _one_error("one_or_several"),
        LIST,
        about("A job of the same organization that must complete first, or several"),
    ] = None
    available_at: Annotated[Text | float | None, _one_error("time_or_delay"), WHEN] = None
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
