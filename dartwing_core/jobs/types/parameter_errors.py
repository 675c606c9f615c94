"""Faults of parameters, in words for people: pydantic's errors with the place of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from frappe import _

from ..lib.secret_texts import spellings, without
from ..lib.secret_values import Secret
from ..lib.texts import cut

WHOLE = "parameters"
"""The name of a handler's second argument that takes all parameters as one object, and of the whole in errors."""


TOLD_OF_SECRETS = frozenset({"missing", "string_type", "none_required", "too_short", "too_long"})
"""Kinds of errors at a secret whose texts can't quote it. Of the others, a validator may have made the text."""


def is_of_validation(error: BaseException) -> bool:
    """Whether an error is pydantic's list of wrong values."""
    from pydantic import ValidationError

    return isinstance(error, ValidationError)


def problems_of(error: Any, parameters: Mapping[str, Any]) -> list[str]:
    """Each wrong value with what it should be. `error`: of validation. `parameters`: whose secrets no text may hold."""
    secrets = {name: value for name, value in parameters.items() if isinstance(value, Secret)}
    hidden = spellings([secret.get_secret_value() for secret in secrets.values()])
    return [
        f"{_place(found['loc'])} {_expectation(found, hidden, is_secret=(*found['loc'], WHOLE)[0] in secrets)}"
        for found in error.errors(include_url=False, include_input=False)
    ]


def _place(location: Iterable[int | str]) -> str:
    """Such as `lines[2].price`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else cut(part)
    return text or WHOLE


def _expectation(found: Mapping[str, Any], hidden: Collection[str], *, is_secret: bool) -> str:
    kind, context = found["type"], found.get("ctx", {})
    texts = {
        "missing": _("is missing"),
        "literal_error": _("must be one of {0}").format(context.get("expected", "")),
        "enum": _("must be one of {0}").format(context.get("expected", "")),
        "string_type": _("must be text"),
        "int_type": _("must be a whole number"),
        "int_from_float": _("must be a whole number"),
        "float_type": _("must be a number"),
        "bool_type": _("must be true or false"),
        "list_type": _("must be a list"),
        "tuple_type": _("must be a list"),
        "dict_type": _("must be an object"),
        "model_type": _("must be an object"),
        "dataclass_type": _("must be an object"),
        "none_required": _("must be empty"),
        "date_type": _("must be a date, such as {0}").format("2026-01-31"),
        "date_parsing": _("must be a date, such as {0}").format("2026-01-31"),
        "datetime_type": _("must be a date and time, such as {0}").format("2026-01-31T09:30:00+01:00"),
        "datetime_parsing": _("must be a date and time, such as {0}").format("2026-01-31T09:30:00+01:00"),
        "extra_forbidden": _("is unknown"),
        "unexpected_keyword_argument": _("is unknown"),
    }
    if is_secret and kind not in TOLD_OF_SECRETS:
        return _("is wrong")
    return texts.get(kind) or _("is wrong: {0}").format(cut(without(found["msg"], hidden)))
