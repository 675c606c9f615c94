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
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from ..errors import InvalidJobError, JobTimeoutError, PermanentError, TransientError
from ..lib import canonical, classification, secret_values
from ..lib.outside_errors import BaseTimeoutException
from ..lib.texts import describe_unknown
from ..lib.texts import translate as _
from . import declared_secrets
from .parameter_errors import WHOLE, is_of_validation, problems_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MARK = "__background_job_parameters__"
"""The attribute in which the decorator keeps a type for a handler that reads the context."""
MOST_PROBLEMS = 20
MASKED_BY_PYDANTIC = "**********"
OF_PARAMETERS = frozenset({"str", "int", "float", "bool", "list", "dict", "date", "datetime", "Decimal", "Literal"})
"""Types of parameters, by which a handler is known that has forgotten the context."""
BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Declared:
    """The parameters that a handler declares."""

    def __init__(self, declared: Any, *, spread: bool):
        from pydantic import TypeAdapter  # late: its import takes time, and many handlers declare nothing

        self._adapter: TypeAdapter[Any] = TypeAdapter(declared)
        self.is_spread = spread
        """Whether the handler takes each parameter by name."""
        self.schema = _with_descriptions(_opened(self._adapter.json_schema()), declared)
        """The JSON Schema of the parameters."""
        self._known = frozenset(self.schema.get("properties", {})) | _names_beside_aliases(declared)
        self._takes_more = bool(self.schema.setdefault("additionalProperties", False))
        self.secrets = declared_secrets.names_of(self.schema, declared)
        """The names of the parameters that are encrypted."""
        properties = self.schema.get("properties", {})
        self.defaults = {name: field["default"] for name, field in properties.items() if "default" in field}
        """The values of parameters that a job leaves out, as far as JSON has them."""

    def check(self, parameters: Mapping[str, Any], text: str | secret_values.Secret[str]) -> Any:
        """The typed parameters. Raises InvalidJobError that names each wrong one.

        `text`: these as canonical JSON. It and secrets are veiled: an error may be logged with our variables.
        """
        problems, value, failure = self._unknown(parameters), None, None
        try:
            value = self._adapter.validate_json(_revealed(text), strict=True)
        except Exception as error:
            if is_of_validation(error):
                problems += problems_of(error, parameters)
            elif not self.secrets or isinstance(error, BaseTimeoutException | JobTimeoutError):
                raise
            else:
                failure = _without_secrets(error)
        if failure:  # out here, since the traceback of the validator's error would show them
            raise failure
        if problems:
            raise InvalidJobError(_("These parameters don't fit: {0}.").format("; ".join(problems[:MOST_PROBLEMS])))
        return value

    def call(self, handler: Callable[..., Any], context: Any, text: str) -> Any:
        """Call the handler with the context, and with the typed parameters. `text`: as stored, canonical JSON.

        Raises PermanentError if they no longer fit what the handler declares.
        """
        try:
            stored = canonical.load(text) or {}
            if self.secrets:
                stored = secret_values.opened(stored, self.secrets)
            value = self.check(stored, secret_values.json_of(stored) if self.secrets else text)
        except InvalidJobError as error:
            raise PermanentError(str(error)) from error
        if self.is_spread:
            return handler(context, **{field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        return handler(context, value)

    def names(self) -> list[str] | None:
        """The names of all parameters. None if the handler takes others, too."""
        return None if self._takes_more else sorted(self._known)

    def declares(self, name: str) -> bool:
        """Whether the handler declares a parameter of this name."""
        return name in self._known

    def takes(self, name: str) -> bool:
        """Whether the handler takes a parameter of this name."""
        return self._takes_more or self.declares(name)

    def _unknown(self, parameters: Mapping[str, Any]) -> list[str]:
        unknown = [name for name in parameters if not self.takes(name)]
        return [describe_unknown([name], self._known) for name in unknown[:MOST_PROBLEMS]]


def _without_secrets(error: Exception) -> Exception:
    """An error in place of a validator's, whose text and traceback may tell secrets. A transient one stays so."""
    text = _("These parameters can't be checked: {0}.").format(type(error).__name__)
    return TransientError(text) if classification.is_transient(error) else InvalidJobError(text)


def _revealed(text: str | secret_values.Secret[str]) -> str:
    return text.get_secret_value() if isinstance(text, secret_values.Secret) else text


def secrets_of(handler: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, secret_values.Secret[str]]:
    """The secrets among stored parameters, by name. Raises PermanentError if one can't be decrypted."""
    declared = declared_by(handler) if parameters else None
    if not declared or not declared.secrets:
        return {}
    try:
        opened = secret_values.opened(parameters, declared.secrets)
    except InvalidJobError as error:
        raise PermanentError(str(error)) from error
    return {name: value for name, value in opened.items() if isinstance(value, secret_values.Secret)}


def declares(handler: Callable[..., Any], name: str) -> bool:
    """Whether a handler declares a parameter of this name."""
    declared = declared_by(handler)
    return declared is not None and declared.declares(name)


def call(handler: Callable[..., Any], context: Any, text: str | None) -> Any:
    """Call a handler with the context, and with the parameters that it takes. `text`: these as canonical JSON.

    Raises PermanentError if they no longer fit what the handler declares.
    """
    if not further_arguments(handler):
        return handler(context)
    declared = cast(Declared, declared_by(handler))
    return declared.call(handler, context, text or "{}")


def parameters_of(handler: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The parameters of a job, as JSON values, from the arguments with which its handler is to be called.

    A handler that takes all of them as one object, or the context alone, gets one argument. Raises TypeError for more
    arguments than the handler takes. Wrong names and values are for the check.
    """
    names = list(further_arguments(handler)) or [WHOLE]
    if len(arguments) > len(names):
        raise TypeError(_("{0} takes at most {1} parameters.").format(handler.__name__, len(names)))
    given = {**dict(zip(names, arguments, strict=False)), **named}
    declared = declared_by(handler)
    names_of_secrets = declared.secrets if declared else frozenset()
    is_whole = given.keys() == {WHOLE} and not (declared and declared.is_spread)
    found, problem = _veiled_json(given, names_of_secrets, is_whole)
    if problem:  # out here, without the variables of what has looked at them
        raise TypeError(problem)
    return found


def _veiled_json(given: Mapping[str, Any], names_of_secrets: Collection[str], is_whole: bool) -> tuple[Any, str | None]:
    """Given arguments as JSON values, with secrets veiled, and what is wrong with them."""
    from pydantic_core import to_jsonable_python

    kept = {name: value for name, value in given.items() if name in names_of_secrets and _is_secret_value(value)}
    revealed: list[secret_values.Secret[str]] = []

    def reveal(value: Any) -> Any:
        if not _is_secret_value(value):
            raise TypeError(_("{0} has no JSON form.").format(type(value).__name__))
        revealed.append(value)
        return value.get_secret_value()

    rest = {name: value for name, value in given.items() if name not in kept}
    found = to_jsonable_python(given[WHOLE] if is_whole else rest, fallback=reveal)
    if isinstance(found, Mapping):
        if any(found.get(name) == MASKED_BY_PYDANTIC for name in names_of_secrets):
            return None, _("pass a secret as text, or as a Secret of dartwing_core.jobs")
        found = secret_values.veiled(found, names_of_secrets) | kept
    declared = [found.get(name) for name in names_of_secrets] if is_whole and isinstance(found, Mapping) else []
    if any(declared.count(secret) < revealed.count(secret) for secret in revealed):  # the submit encrypts no others
        return None, _("a Secret may stand only where the handler declares Secret[str]")
    return found, None


def _is_secret_value(value: Any) -> bool:
    return isinstance(value, secret_values.Secret)


@lru_cache(maxsize=1024)
def declared_by(function: Callable[..., Any]) -> Declared | None:
    """The declaration of a handler's parameters. None if it takes the context alone and declares nothing.

    Raises TypeError, NameError or an error of pydantic's if a type can't be used.
    """
    further, of_decorator = further_arguments(function), getattr(function, MARK, None)
    if not further:
        return Declared(of_decorator, spread=False) if of_decorator is not None else None
    # Not those of the context and of the result, whose types may be imported for type checkers alone.
    asked = SimpleNamespace(__annotations__={name: argument.annotation for name, argument in further.items()})
    hints = get_type_hints(asked, globalns=inspect.unwrap(function).__globals__, include_extras=True)
    if list(further) == [WHOLE] and declared_secrets.is_structure(hints[WHOLE]):
        return Declared(hints[WHOLE], spread=False)
    try:
        return Declared(_dataclass_of(function.__name__, further, hints), spread=True)
    except Exception as error:
        raise _named(error, hints) from error


def _named(error: Exception, hints: Mapping[str, Any]) -> Exception:
    """The error with the name of the argument whose type pydantic does not know, if that is the cause."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError

    if isinstance(error, PydanticSchemaGenerationError):
        for name, hint in hints.items():
            try:
                TypeAdapter(hint)
            except PydanticSchemaGenerationError:
                advice = _("{0} has a type that JSON can't hold: take text, numbers, lists, a dataclass or a model")
                return TypeError(advice.format(name))
    return error


@lru_cache(maxsize=1024)
def further_arguments(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments of a handler behind the first one, which is the context. Raises TypeError if it is no handler."""
    arguments = list(inspect.signature(function).parameters.values())
    if not arguments or arguments[0].kind not in BY_POSITION:
        raise TypeError(_("a handler's first argument is the job's context"))
    kind = arguments[0].annotation
    if (kind if isinstance(kind, str) else getattr(kind, "__name__", "")).partition("[")[0] in OF_PARAMETERS:
        text = _("a handler's first argument is the job's context, not a parameter: write {0}(context, {1}, …)")
        raise TypeError(text.format(function.__name__, arguments[0].name))
    annotated = {argument.name: argument for argument in arguments[1:] if _is_parameter(argument)}
    if annotated and getattr(function, MARK, None) is not None:
        raise TypeError(_("a handler's parameters stand in its signature or in the decorator, not in both"))
    return annotated


def _is_parameter(argument: inspect.Parameter) -> bool:
    """Whether an argument is one of the job's parameters. Without a type, only Python code fills it in."""
    if argument.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        return False
    if argument.annotation is not inspect.Parameter.empty:
        if argument.kind not in BY_NAME:
            raise TypeError(_("a handler takes its parameters by name: no / behind {0}").format(argument.name))
        return True
    if argument.default is inspect.Parameter.empty:
        raise TypeError(_("say of which type {0} is, such as {0}: str").format(argument.name))
    return False


def _dataclass_of(name: str, arguments: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]) -> type:
    fields: list[Any] = []
    for argument in arguments.values():
        given = {} if argument.default is inspect.Parameter.empty else _default(argument.default)
        fields.append((argument.name, hints[argument.name], dataclasses.field(**given, kw_only=True)))
    return dataclasses.make_dataclass(name, fields)


def _default(value: Any) -> dict[str, Any]:
    is_shared = isinstance(value, list | dict | set)
    return {"default_factory": lambda: value.copy()} if is_shared else {"default": value}


def _names_beside_aliases(declared: Any) -> frozenset[str]:
    """The names of fields that a pydantic model also takes where they have aliases."""
    settings = getattr(declared, "model_config", {})
    takes_names = settings.get("populate_by_name") or settings.get("validate_by_name")
    return frozenset(declared.model_fields) if takes_names else frozenset()


def _opened(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its properties at the top. The schema of a type that holds itself only refers to them."""
    inner = [schema, *schema.get("allOf", ())]  # pydantic 2.7 wraps the reference
    reference = next((part["$ref"] for part in inner if "$ref" in part), None)
    if reference is None:
        return schema
    return {**schema["$defs"][reference.rpartition("/")[2]], "$defs": schema["$defs"]}


def _with_descriptions(schema: dict[str, Any], declared: Any) -> dict[str, Any]:
    """The schema, with the texts of `Annotated` types as descriptions."""
    for name, hint in get_type_hints(declared, include_extras=True).items():
        described = schema.get("properties", {}).get(name, {})
        texts = [text for text in getattr(hint, "__metadata__", ()) if isinstance(text, str)]
        if texts:
            described.setdefault("description", texts[0])
    return schema
