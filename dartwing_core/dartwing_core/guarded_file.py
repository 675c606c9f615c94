"""Frappe's File, which leads to the bytes of a file of ours only from the File that was made with them.

Many functions of Frappe read, copy or delete the file at a File's address, and some check no permission. So the check
is here, where the bytes are.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import frappe
from frappe.core.doctype.file.file import File as FrappesFile
from frappe.utils import cint

from dartwing_core.jobs.access import desk_access, result_files
from dartwing_core.wall import callers, file_rules

NAME = f"{__name__}.File"


def __getattr__(name: str) -> type:
    """`File` (hook `override_doctype_class`): the class that the site has without this app, with a guard."""
    if name != "File":
        raise AttributeError(name)
    others = [path for path in frappe.get_hooks("override_doctype_class").get("File", []) if path != NAME]
    return _guarded(frappe.get_attr(others[-1]) if others else FrappesFile)


@functools.cache
def _guarded(base: type) -> type:
    guarded = type("File", (JobAwareFile, base), {"__module__": __name__, "__doc__": base.__doc__})
    guarded.__qualname__ = "File"  # pickles find the class by this name
    return guarded


class JobAwareFile(FrappesFile if TYPE_CHECKING else object):  # type: ignore[misc]
    """The guard that is added to the class of File."""

    def before_insert(self) -> None:
        """Store a private file of ours under a name that nobody can guess, and mark it."""
        # Frappe takes the text "0" for a folder, whose address it does not check, and stores a file.
        self.set("is_folder", cint(self.get("is_folder")))
        if file_rules.is_by_request():
            self.set("content_hash", None)  # Frappe computes it
        if self.attached_to_doctype in desk_access.ENGINE_DOCTYPES:
            self.owner = "Administrator"  # Frappe lets the owner of a File read it for ever
        if self.flags.is_stored or not file_rules.is_made_as_ours(self):
            super().before_insert()
            return
        file_rules.take_bytes(self)
        self.flags.has_own_bytes = self.flags.ignore_duplicate_entry_error = True
        shown = str(self.get("file_name") or "file").replace("/", "")
        self.set("file_name", result_files.unguessable(shown))
        super().before_insert()
        self.set("file_name", shown)
        self.set("content_hash", result_files.own_hash())

    def save_file(self, *arguments: Any, **named: Any) -> Any:
        """Share the bytes of a file of ours with no other File. It keeps address and hash when its bytes change."""
        is_kept = not self.is_new() and result_files.is_marked(self.get("content_hash"))
        shown, kept = self.get("file_name"), self.get("content_hash")
        if self.flags.has_own_bytes or is_kept:
            named["ignore_existing_file_check"] = True
        if is_kept:
            self.set("file_name", (self.get("file_url") or "").rpartition("/")[2])
        try:
            return super().save_file(*arguments, **named)
        finally:
            self.flags.has_new_hash = self.get("content_hash") != kept  # Frappe computes none for a link
            if is_kept:
                self.update({"file_name": shown, "content_hash": kept})

    def write_file(self) -> Any:
        """Check that the user may change the bytes that are there."""
        path = file_rules.check_writing(self)
        if path and path.is_file() and not self.flags.new_file:
            # Frappe writes this back at a rollback, and would take it from a document that is sent along.
            self.flags.original_content = path.read_bytes()
        return super().write_file()

    def handle_is_private_changed(self) -> None:
        """Check first what Frappe writes into the document of the File."""
        file_rules.check_publishing(self)
        super().handle_is_private_changed()

    def get_full_path(self) -> str:
        if not self.is_remote_file:
            result_files.check_length(self.get("file_url") or "")
        path = super().get_full_path()
        file_rules.check_path(self, path)
        return path

    def exists_on_disk(self) -> bool:
        """Not for a foreign file: Frappe asks this of others' Files, while it looks for one of equal content."""
        try:
            return super().exists_on_disk()
        except frappe.PermissionError:
            frappe.clear_last_message()
            return False

    def is_downloadable(self) -> bool:
        """Also check the requested path: Frappe finds its File by the database's comparison, which ignores case."""
        found = result_files.addresses(self)
        if desk_access.is_download():
            found |= result_files.private_addresses(frappe.local.request.path)
        return (
            not result_files.is_foreign(self, found) and self._is_of_a_visible_document() and super().is_downloadable()
        )

    def _is_of_a_visible_document(self) -> bool:
        """Whether the user sees our document with this File. Frappe lets the owner of a File read it for ever."""
        doctype, name = self.attached_to_doctype, self.attached_to_name
        if not (self.is_private and name and doctype in desk_access.TENANT_DOCTYPES):
            return True
        return file_rules.may_read_files_of(doctype, name) and not callers.stands_for_others()

    def notify_update(self) -> None:
        """Send no update about a file of ours. It would tell its maker and time to everybody with a list of Files."""
        if self.attached_to_doctype not in desk_access.TENANT_DOCTYPES:
            super().notify_update()

    def delete_file_from_filesystem(self, only_thumbnail: bool = False) -> None:
        """Delete the bytes of a file of ours only with the last File of ours that leads there."""
        is_ours = result_files.is_marked(self.get("content_hash"))
        is_shared = is_ours and result_files.files_of_ours(file_url=self.file_url, name=["!=", self.name])
        if not is_shared and not result_files.is_foreign(self, result_files.addresses(self)):
            super().delete_file_from_filesystem(only_thumbnail=only_thumbnail)
