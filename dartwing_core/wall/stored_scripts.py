"""Takes scripts out of texts that Frappe's filter for scripts leaves alone.

It leaves texts that are JSON, and Desk shows some of them as HTML: the subject of an event, the name of an account, a
saved filter. It also leaves values of Color fields, which Desk writes into an attribute. So any account ran its script
in the Desk of a System Manager. (15, 16)
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

import frappe
from frappe import _
from frappe.model import base_document
from frappe.model.base_document import BaseDocument

from dartwing_core.jobs.access import visibility

from . import by_request, request_texts, wrapping

TAG = re.compile(r"<[a-zA-Z/!?]")
"""Where a tag may begin. Operators of filters are none."""
MOST_TAGGED = 1_000
ESCAPED = re.compile(r"\\u003c", re.IGNORECASE)
LEFT_ALONE = frozenset({"Attach", "Attach Image", "Barcode", "Code", "JSON"})
"""Types of fields whose texts Frappe never sanitizes."""
COLOR = re.compile(r"[\w#(),.%/ -]*")


def _is_checked() -> bool:
    return by_request.is_by_request() and not visibility.sees_everything(frappe.session.user)


def _also_json(sanitize: Callable[..., Any]) -> Callable[..., Any]:
    """`sanitize_html`, as documents call it for their fields."""

    @functools.wraps(sanitize)
    def sanitized(html: Any, *arguments: Any, **named: Any) -> Any:
        found = sanitize(html, *arguments, **named)
        if found != html or not isinstance(html, str) or not TAG.search(html) or not _is_checked():
            return found
        parsed = request_texts.parsed(html)
        if parsed is None:  # no JSON, and so sanitized
            return found
        clean = _without_scripts(parsed, _once_each(sanitize))
        is_whole = len(TAG.findall(html)) == len(TAG.findall(json.dumps(parsed)))  # else a key stands there twice
        return html if clean == parsed and is_whole else json.dumps(clean)

    return sanitized


def _once_each(sanitize: Callable[..., str]) -> Callable[[str], str]:
    """Sanitize each text once, and so many at most: Frappe takes a third of a millisecond for each."""
    known: dict[str, str] = {}

    def sanitized(text: str) -> str:
        if text not in known:
            if len(known) == MOST_TAGGED:
                frappe.throw(_("{0}: at most {1} at once.").format(_("Texts with HTML"), MOST_TAGGED))
            known[text] = sanitize(text, always_sanitize=True)
        return known[text]

    return sanitized


def _without_scripts(value: Any, sanitize: Callable[[str], str]) -> Any:
    """The JSON with each of its texts sanitized that holds a tag."""
    if isinstance(value, str):
        return sanitize(value) if TAG.search(value) else value
    if isinstance(value, list):
        return [_without_scripts(one, sanitize) for one in value]
    if isinstance(value, dict):
        return {_without_scripts(key, sanitize): _without_scripts(one, sanitize) for key, one in value.items()}
    return value


def _checking_fields(sanitize: Callable[..., Any]) -> Callable[..., Any]:
    """`_sanitize_content` of each document and child row. It passes by texts without a `<`."""

    @functools.wraps(sanitize)
    def sanitized(self: BaseDocument, *arguments: Any, **named: Any) -> Any:
        is_checked = _is_checked()
        for field in self.meta.get("fields", {"fieldtype": "Color"}) if is_checked else ():
            if not COLOR.fullmatch(str(self.get(field.fieldname) or "")):
                frappe.throw(_("{0} must be a color, such as #00ff00.").format(_(field.label)))
        for field in _escaped_fields(self) if is_checked else ():
            self.set(field, json.dumps(request_texts.parsed(self.get(field)), ensure_ascii=False))
        return sanitize(self, *arguments, **named)

    return sanitized


def _escaped_fields(row: BaseDocument) -> list[str]:
    """The fields with JSON in which a tag is escaped. A page parses it, and then writes the tag as HTML."""
    found = [name for name, value in vars(row).items() if isinstance(value, str) and ESCAPED.search(value)]
    fields = [field for name in found if (field := row.meta.get_field(name)) and field.fieldtype not in LEFT_ALONE]
    return [field.fieldname for field in fields if request_texts.parsed(row.get(field.fieldname)) is not None]


wrapping.replace(base_document, "sanitize_html", _also_json, has_flag_of_request=True)
wrapping.replace(BaseDocument, "_sanitize_content", _checking_fields, has_flag_of_request=True)
