"""Loads our documents from the database each time.

Frappe keeps loaded documents in Redis, and gives them to whoever names one. Only a document that is loaded checks
whether its reader may see it (`desk_access.load_visible`). (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import frappe
from frappe.model import document

from . import wrapping
from .doctypes import tenant_doctype


def _not_of_ours(find_key: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`can_cache_doc`: the key of a kept document, or None if it may not be kept."""

    @functools.wraps(find_key)
    def found(args: Any) -> Any:
        return None if args and tenant_doctype(args[0]) else find_key(args)

    return found


for _module in (frappe, document):  # 15; 16
    if hasattr(_module, "can_cache_doc"):
        wrapping.replace(_module, "can_cache_doc", _not_of_ours)
