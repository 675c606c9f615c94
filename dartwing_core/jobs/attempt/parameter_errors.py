"""What is wrong with parameters, in words for people: pydantic's errors with the place of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from frappe import _

from ..base.texts import cut

WHOLE = "parameters"
"""The name of a handler's second argument that takes all parameters as one object, and of the whole in errors."""


def problems_of(error: ValueError, secrets: Collection[str] = ()) -> list[str]:
    """Each wrong value with what it should be. Raises `error` itself if it is not pydantic's.

    `secrets`: names of parameters whose errors may quote nothing.
    """
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        raise error
    return [
        f"{_place(found['loc'])} {_expectation(found, is_secret=bool(found['loc']) and found['loc'][0] in secrets)}"
        for found in error.errors(include_url=False, include_input=False)
    ]


def _place(location: Iterable[int | str]) -> str:
    """Such as `lines[2].price`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else cut(part)
    return text or WHOLE


def _expectation(found: Mapping[str, Any], *, is_secret: bool = False) -> str:
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
    if is_secret and kind == "value_error":  # of a validator, whose text may hold the value
        return _("is wrong")
    return texts.get(kind) or _("is wrong: {0}").format(cut(found["msg"]))
