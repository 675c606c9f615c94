"""Cells of the matrix that a hole of Frappe's opens, by its number upstream. No hole yields a content."""

from __future__ import annotations

COUNTS = "frappe#35657: get_count asks nobody"
SEARCH = "frappe#34995: ignore_user_permissions of a search skips our condition, too"
TITLE = "frappe#41374: get_link_title asks nobody"
LINK = "frappe#35495: validate_link asks for the DocType's permission alone"
SAVED = "frappe#34063: a save tells whether a link's target exists, on 15 also to those who may not save"
TRACEBACK = "frappe#31629: a page that fails shows everybody its traceback, on 16 all users of Desk"
MISSING = "without a number: delete_doc and bulk_update have words of their own for what does not exist"
HOLES = {
    **dict.fromkeys(("get_count", "get_count of events", "get_count of batches", "get_count of members"), COUNTS),
    "get_count of organizations": COUNTS,
    **dict.fromkeys(("link search past permissions", "search box past permissions"), SEARCH),
    "link search of organizations": SEARCH,
    "link title of an organization": TITLE,
    "validate_link": LINK,
    **dict.fromkeys(("print page", "print of a schedule"), TRACEBACK),
    **dict.fromkeys((f"insert of a {one}" for one in ("tag", "ToDo", "comment", "share")), SAVED),
    **dict.fromkeys(("DELETE", "DELETE 2", "delete", "delete of several", "bulk_update"), MISSING),
    **dict.fromkeys((f"DELETE of a{one}" for one in ("n attempt", " batch", " circuit", " schedule")), MISSING),
}
"""By door or way."""


def hole_of(door: str) -> str | None:
    """The known hole that may open this door."""
    return HOLES.get(door)
