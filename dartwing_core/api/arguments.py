"""Reads arguments of requests: JSON bodies hold values, form fields hold text."""

from __future__ import annotations

import json
from typing import Any

from frappe import _

from dartwing_core.jobs.errors import InvalidJobError

JOBS_PER_REQUEST = 100
"""A call about many jobs counts as one request for each begun group of so many jobs."""


def parsed(value: Any, argument: str) -> Any:
    """A value of a JSON body unchanged; the JSON text of a form field parsed."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise InvalidJobError(_("{0} is not valid JSON.").format(argument)) from None


def text_or_list(value: Any, argument: str) -> Any:
    """A text or a list. In a form field, a list is JSON text."""
    is_list = isinstance(value, str) and value.lstrip().startswith("[")
    return parsed(value, argument) if is_list else value or None


def requests_for(many: Any) -> int:
    """The number of requests that a list counts as. Anything else counts as one."""
    return max(1, -(-len(many) // JOBS_PER_REQUEST)) if isinstance(many, list) else 1
