"""The page `/<DocType>/<name>` of a document of ours is there for those who see the document.

Frappe looks whether there is such a document before it asks for permission: for everybody, guests too, a page of one
that they may not see differed from that of a missing one. (15)
"""

from __future__ import annotations

import functools

import frappe
from frappe.website.page_renderers.print_page import PrintPage

from dartwing_core.jobs.access import visibility

from . import links, references
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
        return can_render(self) and not (links.FLAG in frappe.flags and _is_hidden(self.path))

    return checked


PrintPage.can_render = _where_it_is_seen(PrintPage.can_render)
