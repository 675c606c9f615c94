"""pydantic's errors, in words for people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from frappe import _
from pydantic import ValidationError

from ..lib.secret_values import without
from ..lib.texts import cut

WHOLE = "parameters"
"""The name of a handler's second argument that takes all parameters as one object, and of the whole in errors."""


def problems_of(error: ValidationError, hidden: Collection[str]) -> list[str]:
    """Each wrong value with what it should be. `hidden`: spellings of secrets, which a validator may have quoted."""
    found = error.errors(include_url=False, include_input=False)
    return [without(f"{_place(one['loc'])} {problem_of(one)}", hidden) for one in found]


def _place(location: Iterable[int | str]) -> str:
    """Such as `lines[2].price`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{cut(part)}" for part in location)
    return text.removeprefix(".") or WHOLE


def problem_of(found: Mapping[str, Any]) -> str:
    """What a value should be, for people. `found`: one of the errors of pydantic."""
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
        "is_instance_of": _("must be a list"),
        "sequence_str": _("must be a list"),
        "dict_type": _("must be an object"),
        "model_type": _("must be an object"),
        "dataclass_type": _("must be an object"),
        "callable_type": _("must be a function"),
        "none_required": _("must be empty"),
        "date_type": _("must be a date, such as {0}").format("2026-01-31"),
        "date_parsing": _("must be a date, such as {0}").format("2026-01-31"),
        "datetime_type": _("must be a date and time, such as {0}").format("2026-01-31T09:30:00+01:00"),
        "datetime_parsing": _("must be a date and time, such as {0}").format("2026-01-31T09:30:00+01:00"),
        "extra_forbidden": _("is unknown"),
        "unexpected_keyword_argument": _("is unknown"),
    }
    return texts.get(kind) or _("is wrong: {0}").format(cut(found["msg"]))
