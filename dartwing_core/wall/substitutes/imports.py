"""Functions of Frappe's that read imports of other users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import frappe
from frappe.core.doctype.data_import import data_import

from .base import instead_of, text_of


@instead_of(data_import.get_preview_from_template)
def get_preview_from_template(given: dict[str, Any]) -> Any:
    """The preview for users who may read the import.

    Frappe checks no permission, and accepts a filter in place of the import. 15.
    """
    _check(given, "data_import")
    return data_import.get_preview_from_template(**given)


def _for_readers(original: Callable[..., Any]) -> Callable[..., Any]:
    """The function for users who may read the import. Frappe checks no permission, and accepts a filter instead. 15."""

    def read(given: dict[str, Any]) -> Any:
        _check(given, "data_import_name")
        return original(**given)

    return instead_of(original)(read)


download_errored_template = _for_readers(data_import.download_errored_template)
download_import_log = _for_readers(data_import.download_import_log)
get_import_status = _for_readers(data_import.get_import_status)


def _check(given: dict[str, Any], argument: str) -> None:
    frappe.get_doc("Data Import", text_of(given, argument)).check_permission("read")
