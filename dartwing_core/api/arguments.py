"""Arguments as they come: JSON bodies hold values, form fields text."""

from __future__ import annotations

import json
from typing import Any

from frappe import _

from dartwing_core.jobs.errors import InvalidJobError

JOBS_PER_REQUEST = 100
"""A call about many jobs counts as one request for each so many begun."""


def parsed(value: Any, argument: str) -> Any:
    """A value of a JSON body as it is; a form field's JSON text parsed."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise InvalidJobError(_("{0} is not valid JSON.").format(argument)) from None


def text_or_list(value: Any, argument: str) -> Any:
    """A list comes as JSON text in a form field."""
    is_list = isinstance(value, str) and value.lstrip().startswith("[")
    return parsed(value, argument) if is_list else value or None


def requests_for(many: Any) -> int:
    """How many requests a list counts as; anything else is one."""
    return max(1, -(-len(many) // JOBS_PER_REQUEST)) if isinstance(many, list) else 1
