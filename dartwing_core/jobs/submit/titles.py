"""The title of a job, by which people tell it from others of its type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from frappe import _

from ..errors import InvalidJobError
from ..lib.texts import describe_unknown, text_for_storage

LENGTH = 140
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that change the direction of the text around them."""
PLACE = re.compile(r"\{(\w+)\}")
"""A parameter in the title that a Job Type has for its jobs: `Statement for {customer}`."""


def title_for(given: Any, template: str | None, parameters: Mapping[str, Any] | None) -> str | None:
    """The title that a caller gives, or that of the Job Type with parameters in it. Longer ones are cut.

    Only texts, numbers and dates have a place in a title. Raises InvalidJobError for a title that is no text.
    """
    if given is not None and not isinstance(given, str):
        raise InvalidJobError(_("{0} must be text.").format("title"))
    if given is None:
        known = parameters or {}
        given = PLACE.sub(lambda place: _text(known.get(place[1])), template or "")
    return UNSEEN.sub("", " ".join(text_for_storage(given).split()))[:LENGTH].strip() or None


def check_template(template: str, names: Sequence[str] | None) -> None:
    """Raises InvalidJobError if a Job Type's title has a place for something else than these parameters.

    `names`: all that there are. None if there may be others.
    """
    unknown = [place for place in PLACE.findall(template) if names is not None and place not in names]
    if unknown:
        problem = describe_unknown(unknown, names or ())
        raise InvalidJobError(_("The title does not fit the handler: {0}.").format(problem))


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float | Decimal | date) else ""
