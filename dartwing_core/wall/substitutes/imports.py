"""Functions of Frappe's that read or start imports of other users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import frappe
from frappe.core.doctype.data_import import data_import

from .base import instead_of, text_of


def _for_readers(original: Callable[..., Any], argument: str, permission: str = "read") -> Callable[..., Any]:
    """The function for users who may read the import. Frappe checks no permission, and accepts a filter instead. 15."""

    def checked(given: dict[str, Any]) -> Any:
        frappe.get_doc("Data Import", text_of(given, argument)).check_permission(permission)
        return original(**given)

    return instead_of(original)(checked)


get_preview_from_template = _for_readers(data_import.get_preview_from_template, "data_import")
download_errored_template = _for_readers(data_import.download_errored_template, "data_import_name")
download_import_log = _for_readers(data_import.download_import_log, "data_import_name")
get_import_status = _for_readers(data_import.get_import_status, "data_import_name")
form_start_import = _for_readers(data_import.form_start_import, "data_import", "write")
