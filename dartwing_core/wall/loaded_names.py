"""Remembers the name and the owner with which a document was loaded, whatever its fields say later.

Of a name that was sent as a number, makes a text. For 966 the database takes "966c12…", and Frappe's answer tells that
name before it checks a permission. Some DocTypes number their rows. (16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from frappe.model.document import Document

from dartwing_core.jobs.access.desk_access import LOADED

from . import wrapping
from .by_request import is_by_request
from .sent_names import is_no_name_of

OWNER = "dartwing_core_loaded_owner"
"""In the flags of a loaded document: its owner."""


def loaded_name(document: Any) -> str | None:
    """The name of the row from which a document was loaded. None if it was not."""
    flags = getattr(document, "flags", None)
    return flags.get(LOADED) if flags else None


def _noting(load: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(load)
    def noted(self: Document, *arguments: Any, **named: Any) -> Any:
        self.flags.pop(LOADED, None)
        if isinstance(self.name, int) and is_by_request() and is_no_name_of(self.meta, self.name):
            self.name = str(self.name)
        found = load(self, *arguments, **named)
        self.flags[LOADED], self.flags[OWNER] = self.name, self.get("owner")
        return found

    return noted


wrapping.replace(Document, "load_from_db", _noting)
