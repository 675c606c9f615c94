"""Base classes of this app's documents. Their permissions are in `dartwing_core.jobs.access.visibility`."""

from __future__ import annotations

from functools import partial
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs.access import content, visibility
from dartwing_core.jobs.lib.texts import cut

TEXTS = frozenset({"Data", "Small Text", "Text", "Long Text", "JSON"})
"""Types of fields that print formats show as HTML. They escape fields of type Code."""
AS_TEXT = str.maketrans({"<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class GuardedDocument(Document):
    """A document that seems missing to users who may not see it, and that can be neither shared nor renamed."""

    no_feed_on_delete = True
    """Frappe would write a comment that names a deleted document, which is about nothing and so is everybody's."""

    def load_from_db(self) -> Any:
        """In a web request, an invisible document is missing. Frappe answers 403 for one, and 404 for the other."""
        asked = self.name
        is_request = getattr(frappe.local, "request", None) is not None
        if is_request and not isinstance(asked, str | int) and not visibility.viewer().sees_everything:
            _throw_missing(self.doctype, _("document"))  # a filter, which would find the first of all rows
        loaded = super().load_from_db()
        if is_request and not visibility.may_see(self.doctype, self, visibility.viewer()):
            _throw_missing(self.doctype, asked)
        return loaded

    def notify_update(self) -> None:
        """Do nothing: Frappe would tell the name to everybody in the room of the DocType."""

    def as_json(self, *arguments: Any, **named: Any) -> str:
        """Of a document that is being deleted only its name: Frappe keeps it as a Deleted Document."""
        if self.flags.in_delete:
            return frappe.as_json({"doctype": self.doctype, "name": self.name})
        return super().as_json(*arguments, **named)

    def before_print(self, settings: Any = None) -> None:
        """Escape texts of handlers and other systems: print formats treat them as HTML that was cleaned by a save."""
        for field in self.meta.fields:
            value = self.get(field.fieldname)
            if field.fieldtype in TEXTS and isinstance(value, str):
                self.set(field.fieldname, value.translate(AS_TEXT))

    def before_rename(self, *_arguments: Any, **_named: Any) -> None:
        """Refuse every rename. Frappe's own `rename` lets its callers, also those over HTTP, skip this hook."""
        frappe.throw(_("{0} documents can't be renamed.").format(_(self.doctype)), frappe.PermissionError)

    rename = before_rename

    def validate_share(self, docshare: Document) -> None:
        """Refuse every share."""
        frappe.throw(_("{0} documents can't be shared.").format(_(self.doctype)), frappe.PermissionError)


class OrganizationsDocument(GuardedDocument):
    """A document that people make for an organization, given by id or name."""

    organization: Any

    def insert(self, *arguments: Any, **named: Any) -> Document:
        """Insert the document for the organization. Frappe 15 looks a link up before it checks permissions.

        So a foreign organization is refused here, in the words for one that does not exist.
        """
        viewer = visibility.viewer()
        self.organization = viewer.id_of(self.organization)
        if self.organization and not (viewer.sees_everything or self.organization in viewer.reach.members):
            text = _("You are not a member of the organization {0}.")
            frappe.throw(text.format(cut(self.organization)), frappe.PermissionError)
        return super().insert(*arguments, **named)


class EngineDocument(GuardedDocument):
    """A document that only the engine writes, by SQL. So every save of the document is refused."""

    def validate(self, *_arguments: Any, **_named: Any) -> None:
        """Refuse every save, and every insert before Frappe looks links up."""
        text = _("Only the job engine creates and changes {0} documents.")
        frappe.throw(text.format(_(self.doctype)), frappe.PermissionError)

    insert = validate


class SealedDocument(Document):
    """A document with fields that lie sealed in columns of their own (`content`): properties open them."""

    def load_from_db(self) -> Any:
        """Take the sealed columns out of the values of the document."""
        found = super().load_from_db()
        columns = [name for name in self.__dict__ if name.startswith(content.PREFIX)]
        content.keep(self, {name: self.__dict__.pop(name) for name in columns})
        return found

    def get(self, key: Any, *arguments: Any, **named: Any) -> Any:
        """A field, opened if it is sealed."""
        is_sealed = isinstance(key, str) and content.column(key) != key
        return getattr(self, key, None) if is_sealed else super().get(key, *arguments, **named)


for field in content.SEALED - {"files"}:  # which `download_file` gives to those who may see the result
    setattr(SealedDocument, field, property(partial(content.of_document, field=field)))


def _throw_missing(doctype: str, name: Any) -> None:
    """Frappe's own error for a document that does not exist, to the letter."""
    try:
        error = frappe.DoesNotExistError(doctype=doctype)  # Frappe 16 makes it a 403 for users without a role
    except TypeError:
        error = frappe.DoesNotExistError
    frappe.throw(_("{0} {1} not found").format(_(doctype), name), error)
