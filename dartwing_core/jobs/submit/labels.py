"""Labels by which people find a job: the document that it is about, and tags."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from frappe import _

from ..errors import InvalidJobError
from ..job import labels
from ..lib.canonical import plain
from ..lib.row_types import Columns
from ..lib.texts import cut

LONGEST_NAME = 140
MOST_TAGS, LONGEST_TAG = 10, 30


def columns_of(reference: Any, tags: Any) -> Columns:
    """The columns of a job about this document, and with these tags. Raises InvalidJobError for wrong ones.

    `reference`: a document, its DocType and name, or an object with `doctype` and `name`. Whether it exists is not
    checked: a job may outlive its document.
    """
    doctype, name = pair_of(reference)
    return {"reference_doctype": doctype, "reference_name": name, "job_tags": labels.joined(checked_tags(tags))}


def pair_of(reference: Any) -> tuple[str | None, str | None]:
    """DocType and name of a document that is given. None twice if none is given. Raises InvalidJobError."""
    if reference in (None, "", (), []):
        return None, None
    if isinstance(reference, Mapping):
        parts: Sequence[Any] = (reference.get("doctype"), reference.get("name"))
    elif isinstance(reference, list | tuple):
        parts = reference
    else:
        parts = (getattr(reference, "doctype", None), getattr(reference, "name", None))
    if len(parts) != 2 or not all(_is_name(part) for part in parts):
        raise InvalidJobError(_("reference must be a saved document, or its DocType and its name."))
    doctype, name = parts
    return plain(doctype, "reference"), plain(str(name), "reference")


def _is_name(part: Any) -> bool:
    is_number = isinstance(part, int) and not isinstance(part, bool)  # of a DocType that numbers its rows
    return is_number or (isinstance(part, str) and part.strip() != "" and len(part) <= LONGEST_NAME)


def checked_tags(tags: Any) -> list[str]:
    """The tags, sorted, each once. Raises InvalidJobError for one that can't be a tag, and for too many."""
    if tags in (None, ""):
        return []
    if not isinstance(tags, list | tuple | set | frozenset) or len(tags) > MOST_TAGS:
        raise InvalidJobError(_("tags must be a list of at most {0} texts.").format(MOST_TAGS))
    return sorted({checked_tag(tag) for tag in tags})


def checked_tag(tag: Any) -> str:
    """The tag in one spelling: without blanks around it, and in Unicode's composed form.

    Raises InvalidJobError if it can't be one.
    """
    text = unicodedata.normalize("NFC", " ".join(tag.split())) if isinstance(tag, str) else ""
    if not 0 < len(text) <= LONGEST_TAG or labels.SEPARATOR in text or not text.isprintable():
        raise InvalidJobError(
            _("{0} can't be a tag: a tag is a text of at most {1} characters, without {2}.").format(
                cut(repr(tag)), LONGEST_TAG, labels.SEPARATOR
            )
        )
    return plain(text, "tags")
