"""Which files a mail may bring along.

Frappe puts the file of each `embed="…"` in the text of a mail into the mail: any file that the server can read, without
a permission. So whoever writes a mail has it sent to them, and some of Frappe's functions let everybody write one. A
mail brings what apps and the site publish, and private files. A job's file it brings for who may read it. (15, 16)
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frappe
from frappe.email import email_body
from frappe.utils import get_bench_path, get_files_path

from dartwing_core.jobs.access import result_files

from . import links

FOLDERS: dict[str, tuple[str, ...]] = {"files/": ("public",), "private/files/": ()}
"""Where Frappe looks, below the site's folder, for a path that begins so. Others begin in the folder of all sites."""


def _wrapped(read: Callable[[Any], bytes | None]) -> Callable[[Any], bytes | None]:
    @functools.wraps(read)
    def checked(path: Any) -> bytes | None:
        if path and frappe.flags.get(links.FLAG) and not _may_be_sent(str(path).removeprefix("/")):
            return None
        return read(path)

    return checked


def _may_be_sent(path: str) -> bool:
    if "\0" in path:
        return False
    folder = next((frappe.get_site_path(*parts) for start, parts in FOLDERS.items() if path.startswith(start)), "")
    found = os.path.realpath(os.path.join(folder, path))
    if address := result_files.address_of(found):
        return result_files.may_read(address)
    assets = os.path.abspath("assets")  # in which bench links the folder of each app, wherever that lies
    if Path(os.path.abspath(os.path.join(folder, path))).is_relative_to(assets):
        return True
    published = (os.path.join(get_bench_path(), "apps"), assets, get_files_path())
    return any(Path(found).is_relative_to(os.path.realpath(one)) for one in published)


email_body.get_filecontent_from_path = _wrapped(email_body.get_filecontent_from_path)
