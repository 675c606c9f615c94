"""Shows the page `/<DocType>/<name>` of a document of ours, or that of a Web Form, only to users who see the document.

Frappe checks that the document exists before it checks a permission. So the page of a hidden document differed from
that of a missing one, even for guests. (15; Web Forms: 16 too)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import frappe
from frappe.website.doctype.web_form.web_form import WebForm
from frappe.website.page_renderers.print_page import PrintPage

from dartwing_core.jobs.access import visibility

from . import by_request, references, wrapping
from .doctypes import tenant_doctype


def _is_hidden(kind: str, name: str) -> bool:
    doctype = tenant_doctype(kind)
    if doctype is None or visibility.sees_everything(frappe.session.user):
        return False
    return name not in references.visible_of(doctype, [name])


def _where_it_is_seen(can_render: Callable[[PrintPage], bool]) -> Callable[[PrintPage], bool]:
    @functools.wraps(can_render)
    def checked(self: PrintPage) -> bool:
        kind, _slash, name = self.path.partition("/")
        return can_render(self) and not (by_request.FLAG in frappe.flags and _is_hidden(kind, name))

    return checked


def _with_hidden_as_missing(get_context: Callable[[WebForm, Any], None]) -> Callable[[WebForm, Any], None]:
    @functools.wraps(get_context)
    def checked(self: WebForm, context: Any) -> None:
        name = frappe.form_dict.get("name")
        if name and by_request.FLAG in frappe.flags and _is_hidden(self.doc_type, str(name)):
            frappe.form_dict.name = f"no-{frappe.generate_hash(length=20)}"
        return get_context(self, context)

    return checked


wrapping.replace(PrintPage, "can_render", _where_it_is_seen, has_flag_of_request=True)
wrapping.replace(WebForm, "get_context", _with_hidden_as_missing, has_flag_of_request=True)
