"""Decides which files a mail may embed.

Frappe embeds the file of each `embed="…"` in the text of a mail: any file that the server can read, without a
permission. So the author of a mail can have any file sent to them, and some of Frappe's functions let everybody write
one. Here a mail embeds published files of apps and the site. It embeds a private file only if the user may read that,
and never if the scheduler sends the mail. (15, 16)
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import frappe
from frappe.email import email_body

from dartwing_core.jobs.store import private_files

from . import by_request, callers, copied_files, wrapping

FOLDERS: dict[str, tuple[str, ...]] = {"files/": ("public",), "private/files/": ()}
"""The folders, below the site's, in which Frappe looks for paths that begin so. It looks for others in the folder of
all sites. The rule judges real paths: after a link on the disk, `..` leads elsewhere than in the text."""
ASSETS = "assets/"
"""The folder in which bench links what each app publishes. Frappe drops `..` from such a path."""


def _wrapped(read: Callable[[Any], bytes | None]) -> Callable[[Any], bytes | None]:
    @functools.wraps(read)
    def checked(path: Any) -> bytes | None:
        if path and by_request.is_by_request() and not _may_be_sent(str(path).removeprefix("/")):
            return None
        return read(path)

    return checked


def _may_be_sent(path: str) -> bool:
    if "\0" in path or len(path) > private_files.LONGEST_ADDRESS:
        return False
    folder = next((frappe.get_site_path(*parts) for start, parts in FOLDERS.items() if path.startswith(start)), "")
    is_asset = path.startswith(ASSETS)
    found = os.path.realpath(os.path.abspath(path) if is_asset else os.path.join(folder, path))
    if private_files.mark_at(found) is not None:
        return not callers.stands_for_others() and _may_read(private_files.FOLDER + Path(found).name)
    if copied_files.place_of(found):
        return _may_embed(found)
    return private_files.is_within_files(found) or any(Path(found).is_relative_to(one) for one in _published_by_apps())


def _may_embed(place: str) -> bool:
    """Whether a mail may bring the private file at this place. Mails of the scheduler hold what any user wrote."""
    is_asked = copied_files.is_asked((*copied_files.SAVING, "email."))
    return not callers.stands_for_others() and (not is_asked or copied_files.may_read(place))


def _may_read(address: str) -> bool:
    """Whether the user may read the file of ours at an address."""
    files = frappe.get_all("File", {"file_url": address}, ["name", "file_url"])
    names = [file.name for file in files if file.file_url == address]  # the database ignores case, the disk does not
    return any(frappe.has_permission("File", "read", doc=name) for name in names)


def _published_by_apps() -> Iterator[str]:
    """The folders that apps publish, in any place, and those of the packages that they publish."""
    for name in os.listdir(ASSETS) if os.path.isdir(ASSETS) else ():
        yield os.path.realpath(os.path.join(ASSETS, name))
        yield os.path.realpath(os.path.join(ASSETS, name, "node_modules"))


wrapping.replace(email_body, "get_filecontent_from_path", _wrapped, has_flag_of_request=True)
