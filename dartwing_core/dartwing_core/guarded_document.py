"""What the documents of tenants have in common, beside their permissions (`dartwing_core.jobs.access.desk_access`)."""

from __future__ import annotations

from typing import Any

import frappe
from frappe import _
from frappe.model import default_fields
from frappe.model.document import Document

from dartwing_core.jobs.access import desk_access, visibility
from dartwing_core.wall import callers, links

SAVING, OWN = ("model.", *callers.BUILDERS), ("dartwing_core.dartwing_core.",)
"""Modules of Frappe's and ours that save a document for whoever wants it."""
TEXTS = frozenset({"Data", "Small Text", "Text", "Long Text", "JSON"})
"""Kinds of fields that print formats show as HTML; of Code they escape it."""
AS_TEXT = str.maketrans({"<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class OwnDocument(Document):
    """A document of one of this app's DocTypes."""

    @frappe.whitelist()
    def rename(self, name: Any, merge: Any = False, force: Any = False, validate_rename: Any = True) -> Any:
        """With all that Frappe asks before: it lets whoever calls this over HTTP say that nothing is asked. (15, 16)

        Then neither the permission to write is asked for nor `before_rename`. `force`, which passes over the DocType's
        "Allow Rename", is for Python alone.
        """
        return super().rename(name, merge=merge, force=force and not frappe.flags.get(links.FLAG))


class GuardedDocument(OwnDocument):
    """Missing for whoever may not see it, and neither shared nor renamed."""

    def load_from_db(self) -> Any:
        """Frappe 16 shows the whole of what a document links to (`expand_links`), whoever may read which fields."""
        found = desk_access.load_visible(self, super().load_from_db)
        if _expands_links():
            self.apply_fieldlevel_read_permissions()
        return found

    def check_permission(self, permtype: str = "read", *more: Any, **named: Any) -> None:
        """Also where one of Frappe's functions asks for none; and where it would ask that of what is linked to."""
        if _expands_links():
            frappe.local.form_dict.pop("expand_links")
        ignored = self.flags.ignore_permissions
        is_frappes = ignored and frappe.flags.get(links.FLAG) and callers.frappe_asks(SAVING, OWN)
        if is_frappes and not visibility.viewer().sees_everything:
            self.flags.ignore_permissions = False  # a Web Form's maker says who may write, and not the DocType
        try:
            super().check_permission(permtype, *more, **named)
        finally:
            self.flags.ignore_permissions = ignored

    def notify_update(self) -> None:
        """Nothing: Frappe would tell the name to everybody in the room of the DocType."""

    def forget(self) -> None:
        """Keep nothing but the name: Frappe stores what is deleted (Deleted Document), with all that it holds."""
        kept = {*default_fields}
        for field in {*self.meta.get_valid_columns(), *(field.fieldname for field in self.meta.fields)} - kept:
            self.set(field, [] if field in self._table_fieldnames else None)

    def before_print(self, settings: Any = None) -> None:
        """What handlers and other systems say is text: print formats take it for HTML that was cleaned when saved."""
        for field in self.meta.fields:
            value = self.get(field.fieldname)
            if field.fieldtype in TEXTS and isinstance(value, str):
                self.set(field.fieldname, value.translate(AS_TEXT))

    def before_rename(self, old: str, new: str, merge: bool = False) -> None:
        frappe.throw(_("A {0} can't be renamed.").format(_(self.doctype)), frappe.PermissionError)

    def validate_share(self, docshare: Document) -> None:
        frappe.throw(_("A {0} can't be shared.").format(_(self.doctype)), frappe.PermissionError)


def _expands_links() -> bool:
    asked: Any = getattr(frappe.local, "form_dict", None)
    return bool(asked) and "expand_links" in asked and not visibility.viewer().sees_everything


class OrganizationsDocument(GuardedDocument):
    """People make it for an organization, which they may name as they do elsewhere."""

    organization: Any

    def insert(self, *arguments: Any, **named: Any) -> Document:
        if isinstance(self.get("organization"), str):  # before Frappe checks the link
            self.organization = visibility.viewer().id_of(self.organization)
        return super().insert(*arguments, **named)


class EngineDocument(GuardedDocument):
    """The engine writes rows by SQL alone, so any save of this document is somebody else's."""

    def load_from_db(self) -> Any:
        """Some of Frappe's functions answer with the document, whoever may read which fields."""
        found = super().load_from_db()
        if frappe.flags.get(links.FLAG):
            self.apply_fieldlevel_read_permissions()
        return found

    def after_delete(self) -> None:
        self.forget()

    def validate(self) -> None:
        frappe.throw(
            _("A {0} is made and changed by the job engine only.").format(_(self.doctype)), frappe.PermissionError
        )
