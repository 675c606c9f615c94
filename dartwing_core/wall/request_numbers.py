"""Numbers in a request: of documents that it names, and of rows that it asks for."""

from __future__ import annotations

import re

from frappe import _

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES
from dartwing_core.jobs.errors import InvalidJobError

from .request_call import MOST_NAMES, NAME_KEYS, Call
from .request_texts import listed

FILES = "files"
"""The argument with the names of files."""
NUMBER_KEYS = ("limit", "limit_start", "limit_page_length", "page_length")
NUMBER = re.compile(r"-?[\w.]*")
"""Also words such as `null`, which Frappe converts."""


def check(call: Call) -> None:
    """Refuse too many documents at once: Frappe loads and refuses them one by one (`bulk_update`, `zip_files`)."""
    for key in (*NAME_KEYS, FILES):
        value = call.arguments.get(key)
        is_long = not isinstance(value, str) or len(value) > MOST_NAMES
        if is_long and len(listed(value)) > MOST_NAMES and not visibility.viewer().sees_everything:
            raise InvalidJobError(_("{0}: at most {1} at once.").format(key, MOST_NAMES))
    docs = call.arguments.get("docs")
    if not docs or (isinstance(docs, str) and docs.lstrip()[:1] != "["):  # one document, whose text may be long
        return
    sent = listed(docs)
    ours = [one for one in sent if isinstance(one, dict) and one.get("doctype") in TENANT_DOCTYPES]
    if len(ours) > MOST_NAMES:
        raise InvalidJobError(_("{0}: at most {1} at once.").format("docs", MOST_NAMES))


def odd(call: Call) -> str | None:
    """The argument for a number of rows that is no number."""
    sent = ((key, call.arguments.get(key)) for key in NUMBER_KEYS)
    return next((key for key, value in sent if isinstance(value, str) and not NUMBER.fullmatch(value.strip())), None)
