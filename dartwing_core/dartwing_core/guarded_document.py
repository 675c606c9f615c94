"""Base classes of this app's documents. Their permissions are in `dartwing_core.jobs.access.desk_access`."""

from __future__ import annotations

import re
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs.access import desk_access, visibility
from dartwing_core.wall import by_request, callers

TEXTS = frozenset({"Data", "Small Text", "Text", "Long Text", "JSON"})
"""Types of fields that print formats show as HTML. They escape fields of type Code."""
NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""NUL, and half a character: JSON may hold both."""
AS_TEXT = str.maketrans({"<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class OwnDocument(Document):
    """A document of one of this app's DocTypes."""

    def insert(self, *arguments: Any, **named: Any) -> Document:
        """Insert the document, unless a text in it can't be stored."""
        self._check_texts()
        return super().insert(*arguments, **named)

    def save(self, *arguments: Any, **named: Any) -> Document:
        """Save the document, unless a text in it can't be stored."""
        self._check_texts()
        return super().save(*arguments, **named)

    def _check_texts(self) -> None:
        """Refuse text that cannot be stored, before Frappe looks links up and the driver raises an error."""
        for field in self.meta.fields:
            value = self.get(field.fieldname)
            if isinstance(value, str) and NO_TEXT.search(value):
                label = _(field.label or field.fieldname)
                frappe.throw(_("{0} holds a character that can't be stored.").format(label))

    @frappe.whitelist()
    def rename(self, name: Any, merge: Any = False, force: Any = False, validate_rename: Any = True) -> Any:
        """Rename with all of Frappe's checks, which a caller over HTTP could switch off. (15, 16)

        Without this, such a caller could skip the permission to write and `before_rename`. `force`, which ignores the
        DocType's "Allow Rename", works only from Python.
        """
        return super().rename(name, merge=merge, force=force and not by_request.is_by_request())


class GuardedDocument(OwnDocument):
    """A document that seems missing to users who may not see it, and that can be neither shared nor renamed."""

    def load_from_db(self) -> Any:
        """Hide fields above the user's level: Frappe 16 shows linked documents as a whole (`expand_links`)."""
        found = desk_access.load_visible(self, super().load_from_db)
        if _expands_links():
            self.apply_fieldlevel_read_permissions()
        return found

    def check_permission(self, permtype: str = "read", *more: Any, **named: Any) -> None:
        """Check the permission even if Frappe's functions ignore it, or would check that of the linked document."""
        if _expands_links():
            frappe.local.form_dict.pop("expand_links")
        ignored = self.flags.ignore_permissions
        is_frappes = ignored and by_request.is_by_request() and callers.frappe_asks(callers.SAVING, callers.OWN)
        if is_frappes and not visibility.viewer().sees_everything:
            self.flags.ignore_permissions = False  # else the maker of a Web Form decides who may write
        try:
            super().check_permission(permtype, *more, **named)
        finally:
            self.flags.ignore_permissions = ignored

    def notify_update(self) -> None:
        """Do nothing: Frappe would tell the name to everybody in the room of the DocType."""

    def before_print(self, settings: Any = None) -> None:
        """Escape texts of handlers and other systems: print formats treat them as HTML that was cleaned by a save."""
        for field in self.meta.fields:
            value = self.get(field.fieldname)
            if field.fieldtype in TEXTS and isinstance(value, str):
                self.set(field.fieldname, value.translate(AS_TEXT))

    def before_rename(self, old: str, new: str, merge: bool = False) -> None:
        """Refuse every rename."""
        frappe.throw(_("A {0} can't be renamed.").format(_(self.doctype)), frappe.PermissionError)

    def validate_share(self, docshare: Document) -> None:
        """Refuse every share."""
        frappe.throw(_("A {0} can't be shared.").format(_(self.doctype)), frappe.PermissionError)


def keep_only_name(deleted: Document, _method: str | None = None) -> None:
    """`before_naming` of Deleted Document, which Frappe inserts without other hooks: keep no fields of ours. (15, 16)

    The document itself stays whole, for webhooks and hooks of other apps.
    """
    if deleted.deleted_doctype in desk_access.TENANT_DOCTYPES:
        deleted.data = frappe.as_json({"doctype": deleted.deleted_doctype, "name": deleted.deleted_name})


def _expands_links() -> bool:
    asked: Any = getattr(frappe.local, "form_dict", None)
    return bool(asked) and "expand_links" in asked and not visibility.viewer().sees_everything


def name_by_id(document: Document, field: str) -> None:
    """Put the id in place of an organization's name, before Frappe checks the link. Other texts stay as they are."""
    text = document.get(field)
    if isinstance(text, str) and not NO_TEXT.search(text):
        document.set(field, visibility.viewer().id_of(text))


class OrganizationsDocument(GuardedDocument):
    """A document that people make for an organization, given by id or name."""

    organization: Any

    def insert(self, *arguments: Any, **named: Any) -> Document:
        """Insert the document for the organization that its field gives by id or name."""
        name_by_id(self, "organization")
        return super().insert(*arguments, **named)


class EngineDocument(GuardedDocument):
    """A document that only the engine writes, by SQL. So every save of the document is refused."""

    def load_from_db(self) -> Any:
        """Hide fields above the user's level: some of Frappe's functions answer with the whole document."""
        found = super().load_from_db()
        if by_request.is_by_request():
            self.apply_fieldlevel_read_permissions()
        return found

    def validate(self) -> None:
        """Refuse every save."""
        frappe.throw(
            _("A {0} is made and changed by the job engine only.").format(_(self.doctype)), frappe.PermissionError
        )
