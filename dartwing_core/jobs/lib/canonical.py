"""Parameters as JSON with one spelling, and the hash that finds duplicates.

`frappe.as_json` renders. Values that it would render lossily, or differently each time, are made plain before or
refused here. So a job gets exactly the values that were hashed and stored.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import frappe
from frappe import _
from frappe.model.document import Document
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


def plain(value: Any, path: str = "parameters", level: int = 1) -> Any:
    """The value, built only of dict, list, str, int, float, bool and None. `path` names it in errors."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _plain_text(value, path)
    if isinstance(value, int | float | Decimal):
        return _plain_number(value, path)
    if isinstance(value, timedelta):
        return format_timedelta(value)
    if isinstance(value, date | time | UUID):
        return str(value)
    if level > MAX_DEPTH:
        raise InvalidJobError(
            _("{0} is nested too deeply (more than {1} levels), or contains itself.").format(path, MAX_DEPTH)
        )
    if isinstance(value, Document):
        value = _without_noise(value.as_dict(no_nulls=True, convert_dates_to_str=True))
    if isinstance(value, Mapping):
        return {_key(key, path): plain(item, f"{path}.{key}", level + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{path}[{index}]", level + 1) for index, item in enumerate(value)]
    raise InvalidJobError(
        _("{0} is of type {1}, which can't be stored as JSON. Pass text, numbers, lists or objects.").format(
            path, type(value).__name__
        )
    )


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidJobError(_("Keys in {0} must be text; {1} is not.").format(path, cut(repr(key))))
    return _plain_text(key, path)


def _plain_text(text: str, path: str) -> str:
    if type(text) is str and text.isascii():
        return text
    try:
        return str.__str__(text).encode().decode()
    except UnicodeEncodeError:
        raise InvalidJobError(_("{0} contains text that is not valid Unicode.").format(path)) from None


def _plain_number(number: int | float | Decimal, path: str) -> int | float:
    if isinstance(number, int):
        found: int | float = int(number)
        is_held = -SAFE_INTEGER <= number < SAFE_INTEGER
    else:
        found = float(number)
        is_held = math.isfinite(found) and (isinstance(number, float) or Decimal(repr(found)) == number)
    if not is_held:
        raise InvalidJobError(_("{0} is a number that JSON can't hold. Pass it as text.").format(path))
    return found


def _without_noise(value: Any) -> Any:
    """A document's values without the fields that change each time it is loaded or saved."""
    if isinstance(value, Mapping):
        fields = value.keys() - DOCUMENT_NOISE
        return {field: _without_noise(value[field]) for field in fields if not field.startswith("__")}
    return [_without_noise(item) for item in value] if isinstance(value, list | tuple) else value
