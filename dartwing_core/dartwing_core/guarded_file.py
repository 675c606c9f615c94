"""Frappe's File, which leads to the bytes of a file of ours only from the File that was made with them.

Many functions of Frappe read, copy or delete the file at a File's address, and some check no permission. So the check
is here, where the bytes are.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.core.doctype.file.file import File as FrappesFile
from frappe.utils import cint

from dartwing_core.jobs.access import desk_access
from dartwing_core.jobs.store import private_files
from dartwing_core.wall import callers, copied_files, file_moves, file_places, file_rules, references, shown_files
from dartwing_core.wall.by_request import is_by_request

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

    # Making ----------------------------------------------------------------------------------------------------------

    def before_insert(self) -> None:
        """Store a private file of ours in the folder of such files."""
        # Frappe takes the text "0" for a folder, whose address it does not check, and stores a file.
        self.set("is_folder", cint(self.get("is_folder")))
        if is_by_request():
            self.set("content_hash", None)  # Frappe computes it
            file_rules.check_address(self)  # before Frappe writes there
            copied_files.check_new(self)
        if self.attached_to_doctype == references.PREPARED and self.content:
            self.set("file_name", private_files.unguessable(self.get("file_name") or ""))  # Frappe's tells the minute
        if self.attached_to_doctype in desk_access.ENGINE_DOCTYPES:
            self.owner = "Administrator"  # Frappe lets the owner of a File read it for ever
        is_private = file_rules.is_made_as_ours(self)
        if self.flags.own_id or not (is_private or file_rules.is_published_as_ours(self)):
            super().before_insert()
            return
        self.flags.copied_from = None if self.content else self.file_url
        file_rules.take_bytes(self, is_private)
        if is_private:
            self.flags.own_id = private_files.new_id()
        self.flags.ignore_duplicate_entry_error = self.flags.has_own_bytes = True
        super().before_insert()
        self.set("content_hash", private_files.own_hash())

    def after_insert(self) -> None:
        """Let the document show the copy, not the file that code of the site has named."""
        super().after_insert()
        if self.flags.copied_from:
            file_moves.follow(self, self.flags.copied_from, self.file_url)

    def set_new_name(self, *arguments: Any, **named: Any) -> None:
        """Give a file of ours the name with which its address begins, whatever name somebody asks for."""
        super().set_new_name(*arguments, **named)
        if self.flags.own_id:
            self.name = self.flags.own_id

    def save_file(self, *arguments: Any, **named: Any) -> Any:
        """Share the bytes of a file of ours with no other File. It keeps address and hash when its bytes change."""
        copied_files.check_source(self)
        if self.is_new() and file_rules.names_a_published_file_of_ours(self):
            self.set("content_hash", private_files.own_hash())  # by another one, later uploads would lead there
            return None
        before, kept = self.get("content_hash"), file_rules.own_hash_of(self)
        if self.flags.own_id or kept:
            named["overwrite"] = True
        if self.flags.has_own_bytes or kept or file_places.is_rewritten(self):
            named["ignore_existing_file_check"] = True
        self.flags.overwrites = named.get("overwrite") or any(arguments[3:])
        try:
            return super().save_file(*arguments, **named)
        finally:
            self.flags.has_new_hash = self.get("content_hash") != before  # Frappe computes none for a link
            if kept:
                self.set("content_hash", kept)

    def save_file_on_filesystem(self) -> dict[str, str]:
        """Write the bytes of a file of ours into its own folder, and others where they overwrite no other File."""
        if self.flags.own_id:
            self.file_url = private_files.address_for(self.flags.own_id, self.file_name)
        elif not private_files.is_kept(self.file_url) and file_places.is_rewritten(self):
            self.set("file_url", file_places.address_to_write(self))
        elif not private_files.is_kept(self.file_url):
            if is_by_request() or not self.flags.overwrites:
                self.set("file_name", file_places.free_name(self))
            return super().save_file_on_filesystem()
        return {"file_name": os.path.basename(self.write_file()), "file_url": self.file_url}

    def write_file(self) -> Any:
        """Check that the user may change the bytes that are there."""
        path = file_rules.check_writing(self)
        if path:
            private_files.folder()
        file_places.undo_at_rollback(self)
        return super().write_file()

    # Changing --------------------------------------------------------------------------------------------------------

    def validate(self) -> None:
        """Move the bytes of a file that code of the site has attached to a document of ours."""
        super().validate()
        if not self.is_new() and file_moves.is_to_move(self):
            self.update(file_moves.move(self))

    def before_rename(self, old: str, new: str, merge: bool = False) -> None:
        """Refuse to rename a file of ours: its bytes belong to that name."""
        if private_files.is_kept(self.file_url):
            text = _("A private file of a background job, a schedule or an organization can't be renamed.")
            frappe.throw(text, frappe.PermissionError)

    def handle_is_private_changed(self) -> None:
        """Check first what Frappe writes into the document of the File."""
        is_of_others = file_rules.is_published_by_another(self, file_rules.name_to_move(self))
        if private_files.is_kept(self.file_url) or is_of_others or file_rules.moves_a_folder(self):
            file_rules.throw_unchangeable()
        shown_files.check_publishing(self)
        copied_files.check_moving(self)
        file_places.check_moving(self)
        super().handle_is_private_changed()

    # Reading ---------------------------------------------------------------------------------------------------------

    def get_full_path(self) -> str:
        """The path of the bytes. Raises frappe.PermissionError unless the user may read them."""
        path = super().get_full_path()
        file_rules.check_path(self, path)
        return path

    def unzip(self) -> Any:
        """Not for who may not read a file of ours: the error would tell its name."""
        if self.attached_to_doctype in desk_access.TENANT_DOCTYPES and is_by_request():
            self.check_permission("read")
        return super().unzip()

    def exists_on_disk(self) -> bool:
        """Not for a foreign file: Frappe asks this of others' Files, while it looks for one of equal content."""
        try:
            return super().exists_on_disk()
        except frappe.PermissionError:
            frappe.clear_last_message()
            return False

    def is_downloadable(self) -> bool:
        """Also check the requested path: Frappe finds its File by the database's comparison, which ignores case."""
        if desk_access.is_download():
            mark = private_files.mark_in(frappe.local.request.path)
            if mark is not None and mark != private_files.mark_of(self.name):
                return False
            if not copied_files.is_of(self, frappe.local.request.path):
                return False
        return self._is_of_a_visible_document() and super().is_downloadable()

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

    # Deleting --------------------------------------------------------------------------------------------------------

    def on_rollback(self) -> None:
        """Undo no writing: `file_places` puts back what was where this File has written."""
        self.flags.pop("original_content", None)
        self.flags.is_rolled_back = True
        try:
            super().on_rollback()
        finally:
            self.flags.is_rolled_back = False

    def _delete_file_on_disk(self) -> None:
        """Delete the bytes of a file of ours after the commit. Frappe would delete by the last part of an address."""
        if not private_files.is_kept(self.file_url):
            if self.flags.goes_with_document:
                private_files.call_after_commit(self.name, super()._delete_file_on_disk)
            else:
                super()._delete_file_on_disk()
            return
        path, mark = private_files.path_of(self.file_url), private_files.mark_of(self.flags.own_id or self.name)
        if mark is not None and private_files.mark_at(path) == mark:
            if self.flags.is_rolled_back and not self.flags.own_id:
                return  # the bytes were there before
            if self.flags.is_rolled_back:
                path.unlink(missing_ok=True)
            else:
                private_files.delete_after_commit(path)

    def add_comment_in_reference_doc(self, *arguments: Any) -> None:
        """Leave no comment on a document that goes, too."""
        if not self.flags.goes_with_document:
            super().add_comment_in_reference_doc(*arguments)

    def delete_file_from_filesystem(self, only_thumbnail: bool = False) -> None:
        """Delete no bytes to which another File leads, also not as the thumbnail of this one."""
        if private_files.is_kept(self.file_url):
            self._delete_file_on_disk()
            return
        if self.flags.is_rolled_back:
            return  # what this File has written is undone; all else was there before
        if not file_places.is_only_user(self, self.get("thumbnail_url")):
            self.set("thumbnail_url", None)
        only_thumbnail = only_thumbnail or not file_places.is_only_user(self, self.file_url)
        super().delete_file_from_filesystem(only_thumbnail=only_thumbnail)
