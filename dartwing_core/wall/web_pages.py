"""Shows the page `/<DocType>/<name>` of a document of ours only to users who see the document.

Frappe checks that the document exists before it checks a permission. So the page of a hidden document differed from
that of a missing one, even for guests. (15)
"""

from __future__ import annotations

import functools

import frappe
from frappe.website.page_renderers.print_page import PrintPage

from dartwing_core.jobs.access import visibility

from . import by_request, references
from .doctypes import tenant_doctype


def _is_hidden(path: str) -> bool:
    kind, _slash, name = path.partition("/")
    doctype = tenant_doctype(kind)
    if doctype is None or visibility.sees_everything(frappe.session.user):
        return False
    return name not in references.visible_of(doctype, [name])


def _where_it_is_seen(can_render):
    @functools.wraps(can_render)
    def checked(self):
        return can_render(self) and not (by_request.FLAG in frappe.flags and _is_hidden(self.path))

    return checked


PrintPage.can_render = _where_it_is_seen(PrintPage.can_render)
