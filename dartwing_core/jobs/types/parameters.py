"""The declared parameters of a handler: their check at the submit, and the call of the handler with them.

A handler declares them in one of three ways:

    def handler(context, customer: str, language: Literal["en", "de"] = "en")    each parameter by its annotation
    def handler(context, parameters: Statement)                                   all in one typed object
    @job_handler(parameters=Statement)                                            checked; the handler reads the context

`Statement` is a dataclass, a TypedDict or a pydantic model. Values are JSON's: no text stands for a number.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, cast, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from ..errors import InvalidJobError, PermanentError
from ..lib import canonical, secret_values
from ..lib.secret_values import Secret
from ..lib.texts import MASK, cut, describe_unknown, spellings, without
from ..lib.texts import translate as _

MARK = "__background_job__"
"""The attribute that makes a function a handler: what `@job_handler` says of it (`handlers.Mark`)."""
MOST_PROBLEMS = 20
WHOLE = "parameters"
"""The name of a handler's second argument that takes all parameters as one object, and of the whole in errors."""


class Declared:
    """The parameters that a handler declares."""

    def __init__(self, declared: Any, *, spread: bool):
        self.adapter: TypeAdapter[Any] = TypeAdapter(declared)
        self.is_spread = spread
        """Whether the handler takes each parameter by name."""
        self.schema = _described(self.adapter.json_schema(), declared)
        """The JSON Schema of the parameters."""
        properties = self.schema.get("properties", {})
        self.defaults = {name: part["default"] for name, part in properties.items() if "default" in part}
        """The values of parameters that a job leaves out, as far as JSON has them."""
        self.known = frozenset(properties)
        """The names of the parameters."""
        self._takes_more = bool(self.schema.setdefault("additionalProperties", False))
        self.secrets = frozenset(name for name, part in properties.items() if _is_secret(part))
        """The names of the parameters that are encrypted."""
        if json.dumps(self.schema).count('"writeOnly": true') != len(self.secrets):
            raise TypeError(_("a secret is a parameter itself: it can't stand in a list or in another object"))
        for name in self.secrets:
            if self.defaults.get(name) is not None:
                raise TypeError(_("a secret has no default but None: {0} would show it").format(name))

    def check(self, parameters: Mapping[str, Any], text: str) -> Any:
        """The typed parameters. Raises InvalidJobError that names each wrong one.

        `text`: the parameters as stored, which is canonical JSON with sealed secrets.
        """
        unknown = [name for name in parameters if not self.takes(name)]
        problems, value = [describe_unknown([name], self.known) for name in unknown[:MOST_PROBLEMS]], None
        try:
            value = self.adapter.validate_json(text, strict=True)
        except ValidationError as error:
            secrets = [one for one in parameters.values() if isinstance(one, Secret)]
            problems += problems_of(error, spellings([secret.get_secret_value() for secret in secrets]))
        if problems:  # out here: pydantic's error holds what was wrong, and may be logged with this one
            raise InvalidJobError(_("Invalid parameters: {0}.").format("; ".join(problems[:MOST_PROBLEMS])))
        return value

    def takes(self, name: str) -> bool:
        """Whether the handler takes a parameter of this name."""
        return self._takes_more or name in self.known


def problems_of(error: ValidationError, hidden: Collection[str] = (), known: Collection[str] = ()) -> list[str]:
    """Each wrong value, such as `lines[2].price`, with what it should be.

    `hidden`: spellings of secrets, which a validator may have quoted. `known`: the names in place of an unknown one.
    """
    problems = []
    for one in error.errors(include_url=False, include_input=False):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{cut(part)}" for part in one["loc"])
        message = cut(without(one["msg"], hidden))  # in this order: the beginning of a secret would stay
        text = f"{place.removeprefix('.') or WHOLE} {_problem(one['type'], one.get('ctx', {}), message)}"
        if one["type"] == "extra_forbidden" and len(one["loc"]) == 1 and known:
            text = describe_unknown([str(one["loc"][0])], known)
        problems.append(without(text, hidden))
    return problems


def _problem(kind: str, context: Mapping[str, Any], message: str) -> str:
    """What a value should be, in the reader's language. `kind`: pydantic's type of the error."""
    choices = str(context.get("expected")).replace("'", "").replace(" or ", ", ")
    texts = {
        "told": context.get("text"),
        "missing": _("is missing"),
        "extra_forbidden": _("is unknown"),
        "unexpected_keyword_argument": _("is unknown"),
        "literal_error": _("must be one of: {0}").format(choices),
        "enum": _("must be one of: {0}").format(choices),
        "string_type": _("must be text"),
        "string_unicode": _("is not valid text"),
        "string_too_long": _("is longer than {0} characters").format(context.get("max_length")),
        "int": _("must be a whole number"),
        "float": _("must be a number"),
        "bool": _("must be true or false"),
        "list": _("must be a list"),
        "tuple": _("must be a list"),
        "dict": _("must be an object"),
        "model": _("must be an object"),
        "dataclass": _("must be an object"),
        "date": _("must be a date, such as {0}").format("2026-01-31"),
        "datetime": _("must be a date and time, such as {0}").format("2026-01-31T09:30:00+01:00"),
    }
    return texts.get(kind) or texts.get(kind.partition("_")[0]) or _("is wrong: {0}").format(message)


# Calls --------------------------------------------------------------------------------------------------------------


def call(handler: Callable[..., Any], context: Any, text: str | None) -> Any:
    """Call a handler with the context, and with the parameters that it takes. `text`: these as canonical JSON.

    Raises PermanentError if they no longer fit what the handler declares: no retry would help.
    """
    if not further_arguments(handler):
        return handler(context)
    declared, text = cast(Declared, declared_by(handler)), text or "{}"
    try:
        value = declared.check(canonical.load(text) or {}, text)
    except InvalidJobError as error:
        raise PermanentError(str(error)) from error
    return handler(context, **vars(value)) if declared.is_spread else handler(context, value)


def secrets_of(handler: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Secret[str]]:
    """The secrets among stored parameters, by name. Raises InvalidJobError if one can't be decrypted."""
    declared = declared_by(handler) if parameters else None
    opened = secret_values.opened(parameters, declared.secrets) if declared else {}
    return {name: value for name, value in opened.items() if isinstance(value, Secret)}


def parameters_of(handler: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The parameters of a job, as JSON values and secrets, from the arguments with which its handler is to be called.

    A handler that takes all of them as one object, or the context alone, gets one argument. Raises TypeError for more
    arguments than the handler takes, and ValueError for values without a JSON form. The rest is for the check.
    """
    names = list(further_arguments(handler)) or [WHOLE]
    if len(arguments) > len(names):
        raise TypeError(_("{0} takes at most {1} parameters.").format(handler.__name__, len(names)))
    if names != [WHOLE] and len(arguments) == 1 and isinstance(arguments[0], Mapping) and {*arguments[0]} & {*names}:
        raise TypeError(_("{0}: pass parameters by name, such as {1}=….").format(handler.__name__, names[0]))
    given: Any = {**dict(zip(names, arguments, strict=False)), **named}
    declared = declared_by(handler)
    if given.keys() == {WHOLE} and not (declared and declared.is_spread):
        given = given[WHOLE]
        if declared and not isinstance(given, Mapping):
            given = declared.adapter.dump_python(given, by_alias=True, warnings=False)
    if not isinstance(given, Mapping):
        return to_jsonable_python(given)
    secrets = secret_values.veiled(given, declared.secrets if declared else ())
    secrets = {name: value for name, value in secrets.items() if isinstance(value, Secret)}
    rest = to_jsonable_python({name: given[name] for name in given if name not in secrets}, fallback=_masked)
    if MASK in str(rest):
        raise TypeError(_("a Secret may stand only where the handler declares Secret[str]"))
    return {**rest, **secrets}


def _masked(value: Any) -> str:
    """A Secret, which the pydantic of Frappe 15 can't serialize. Raises ValueError for what has no JSON form."""
    if isinstance(value, Secret):
        return MASK
    raise ValueError(_("A value of type {0} has no JSON form.").format(type(value).__name__))


# Declarations -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def declared_by(function: Callable[..., Any]) -> Declared | None:
    """The declaration of a handler's parameters. None if it takes the context alone and declares nothing.

    Raises TypeError, NameError or an error of pydantic's if a type can't be used.
    """
    further, mark = further_arguments(function), getattr(function, MARK, None)
    if not further:
        of_decorator = mark.parameters if mark else None
        return Declared(of_decorator, spread=False) if of_decorator is not None else None
    # Not those of the context and of the result, whose types may be imported for type checkers alone.
    asked = SimpleNamespace(__annotations__={name: argument.annotation for name, argument in further.items()})
    hints = get_type_hints(asked, globalns=inspect.unwrap(function).__globals__, include_extras=True)
    whole = hints.get(WHOLE)
    has_fields = dataclasses.is_dataclass(whole) or hasattr(whole, "__total__") or hasattr(whole, "model_fields")
    if list(further) == [WHOLE] and isinstance(whole, type) and has_fields:
        return Declared(whole, spread=False)
    fields: list[Any] = [
        (name, hints[name], *([] if argument.default is inspect.Parameter.empty else [Field(default=argument.default)]))
        for name, argument in further.items()
    ]
    return Declared(dataclasses.make_dataclass(function.__name__, fields, kw_only=True), spread=True)


@lru_cache(maxsize=1024)
def further_arguments(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments of a handler behind the first one, which is the context. Raises TypeError if it is no handler."""
    arguments = list(inspect.signature(function).parameters.values())
    if not arguments:
        raise TypeError(_("a handler must take the job's context as its first argument"))
    return {argument.name: argument for argument in arguments[1:] if _is_parameter(argument)}


def _is_parameter(argument: inspect.Parameter) -> bool:
    """Whether an argument is one of the job's parameters. Without a type, only Python code fills it in."""
    if argument.kind == inspect.Parameter.VAR_POSITIONAL:
        raise TypeError(_("name each parameter instead of *{0}: jobs pass them by name").format(argument.name))
    if argument.kind == inspect.Parameter.VAR_KEYWORD:
        return False
    if argument.annotation is inspect.Parameter.empty and argument.default is inspect.Parameter.empty:
        raise TypeError(_("give {0} a type, such as {0}: str").format(argument.name))
    return argument.annotation is not inspect.Parameter.empty


def _described(schema: dict[str, Any], declared: Any) -> dict[str, Any]:
    """The schema, with the texts of `Annotated` types as descriptions."""
    for name, hint in get_type_hints(declared, include_extras=True).items():
        texts = [text for text in getattr(hint, "__metadata__", ()) if isinstance(text, str)]
        if texts:
            schema.get("properties", {}).get(name, {}).setdefault("description", texts[0])
    return schema


def _is_secret(schema: Mapping[str, Any]) -> bool:
    """Whether a property is a Secret, or either that or null."""
    choices = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    return len(choices) == 1 and choices[0].get("writeOnly") is True
