"""Parameters as JSON with one spelling, and the hash that finds duplicates.

`frappe.as_json` renders. Values that it would render lossily, or differently each time, are made plain before or
refused here. So a job gets exactly the values that were hashed and stored.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import frappe
from frappe import _
from frappe.utils import format_timedelta

from ..errors import InvalidJobError
from .texts import cut

MAX_DEPTH = 30  # MariaDB's JSON check ends at 32
SAFE_INTEGER = 2**63
DOCUMENT_NOISE = frozenset(
    {"modified", "modified_by", "creation", "owner", "idx", "docstatus", "parent", "parentfield", "parenttype"}
)


def canonical_json(parameters: Mapping[str, Any] | None) -> str:
    """A job's parameters as JSON: sorted keys, no white space.

    Raises InvalidJobError for a value that is no object or has no faithful JSON form (bytes, sets, functions,
    NaN, infinities, cycles, keys that are not text, a Decimal that a float can't hold).
    """
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, Mapping):
        raise InvalidJobError(
            _("Job parameters must be an object (a dict), not {0}.").format(type(parameters).__name__)
        )
    return storage_json(parameters, "parameters")


def storage_json(value: Any, name: str) -> str:
    """Any value as compact JSON. `name`: its name in errors. Raises InvalidJobError if it has no faithful form."""
    return frappe.as_json(plain(value, name), indent=None, separators=(",", ":"))


def generate_job_hash(job_type: str, organization: str, params: Mapping[str, Any] | None) -> str:
    """SHA-256, in hex, of type, organization and canonical parameters. Key order does not matter."""
    return hash_of(job_type, organization, canonical_json(params))


def hash_of(job_type: str, organization: str, content: str) -> str:
    """`generate_job_hash` of parameters that are canonical JSON already."""
    return hashlib.sha256("\x00".join((job_type, organization, content)).encode()).hexdigest()


def load(text: str | None) -> Any:
    """The value of stored JSON. None if there is none."""
    return json.loads(text) if text else None


def plain(value: Any, path: str = "parameters", parents: tuple[int, ...] = ()) -> Any:
    """The value, built only of dict, list, str, int, float, bool and None. `path` names it in errors."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _plain_text(str.__str__(value), path)
    for types, convert in SCALARS:
        if isinstance(value, types):
            return convert(value, path)
    if id(value) in parents:
        raise InvalidJobError(_("{0} contains itself; this has no JSON form.").format(path))
    if len(parents) >= MAX_DEPTH:
        raise InvalidJobError(_("{0} is nested too deeply (more than {1} levels).").format(path, MAX_DEPTH))
    parents = (*parents, id(value))
    if isinstance(value, Mapping):
        return {_key(key, path): plain(item, f"{path}.{key}", parents) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{path}[{index}]", parents) for index, item in enumerate(value)]
    if _is_document(value):
        return _plain_document(value, path, parents)
    raise InvalidJobError(
        _("{0} is of type {1}, which has no faithful JSON form. Pass text, numbers, lists or objects.").format(
            path, type(value).__name__
        )
    )


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidJobError(_("Keys in {0} must be text; {1} is not.").format(path, cut(repr(key))))
    return _plain_text(str.__str__(key), path)


def _plain_text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidJobError(_("{0} holds text that is not valid Unicode.").format(path)) from None
    return text


def _plain_integer(number: int, path: str) -> int:
    if not -SAFE_INTEGER <= number < SAFE_INTEGER:
        raise InvalidJobError(_("{0} is too large a number; pass it as text.").format(path))
    return int(number)


def _plain_float(number: float, path: str) -> float:
    if not math.isfinite(number):
        raise InvalidJobError(_("{0} is not a finite number.").format(path))
    return float(number)


def _plain_decimal(number: Decimal, path: str) -> float:
    as_float = float(number) if number.is_finite() else math.nan
    if not math.isfinite(as_float) or Decimal(repr(as_float)) != number:
        raise InvalidJobError(_("{0} is a decimal that a JSON number can't hold; pass it as text.").format(path))
    return as_float


def _is_document(value: Any) -> bool:
    from frappe.model.document import Document  # slow to import, and most workers' jobs have none

    return isinstance(value, Document)


def _plain_document(document: Any, path: str, parents: tuple[int, ...]) -> dict[str, Any]:
    """A document without the fields that change each time it is loaded or saved."""
    fields = document.as_dict(no_nulls=True, convert_dates_to_str=True)
    return plain(_without_noise(fields), path, parents)


def _without_noise(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_noise(item)
            for key, item in value.items()
            if key not in DOCUMENT_NOISE and not str(key).startswith("__")
        }
    if isinstance(value, list | tuple):
        return [_without_noise(item) for item in value]
    return value


SCALARS: tuple[tuple[Any, Callable[[Any, str], Any]], ...] = (
    (int, _plain_integer),
    (float, _plain_float),
    (Decimal, _plain_decimal),
    ((datetime, date, time), lambda value, _path: str(value)),
    (timedelta, lambda value, _path: format_timedelta(value)),
    (UUID, lambda value, _path: str(value)),
)
