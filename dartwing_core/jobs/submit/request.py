"""A request for a job, and a checked one with its row. Checks what people tell a job by: title, document and tags."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from frappe import _
from frappe.model.base_document import get_controller
from frappe.model.document import Document

from ..access import content
from ..access.standing import Limits
from ..errors import InvalidJobError
from ..job import dependencies, labels
from ..lib import config
from ..lib.canonical import plain
from ..lib.rows import HolderRow, NewJobRow
from ..lib.texts import cut, describe_unknown, text_for_storage
from ..status import JobStatus, LinePlace
from ..types.parameters import Declared

RAISE, RETURN, REPLACE = ON_DUPLICATE = ("raise", "return", "replace")
MOST_TAGS, LONGEST_TAG = 10, 30
KEY_LENGTH = 140
"""Characters of a `dedup_key`, and of a job's `key`."""


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of `submit_job`."""

    job_type: Any = None
    organization: Any = None
    """Its id or name. None or empty: the default one."""
    parameters: Mapping[str, Any] | None = field(default=None, repr=False)  # it may hold secrets
    priority: str | None = None
    depends_on: str | Sequence[str] | None = None
    available_at: datetime | timedelta | str | float | None = None
    dedup_key: str | None = None
    on_duplicate: str = RAISE
    on_parent_failure: str = dependencies.DEAD_LETTER
    deduplication: str | None = None
    timeout: int | None = None
    max_retries: int | None = None
    title: str | None = None
    reference: Any = None
    tags: Collection[str] | None = None
    queue: str | None = None
    """The queue whose workers run the job, instead of that of its type or priority. `enqueue` alone names one."""
    key: str | None = None
    """The job's name within its submit, for `depends_on` of other jobs and for their handlers."""


CALLERS_ARGUMENTS = frozenset(Request.__dataclass_fields__) - {"queue"}


@dataclass(slots=True, eq=False)
class Prepared:
    """A checked request and its row."""

    request: Request
    row: NewJobRow
    is_paused: bool
    """Whether no job of its organization or type may start."""
    limits: Limits
    existing: HolderRow | None = None
    """The equal job that exists already, which stands for the request."""
    found: Document | None = None
    """The document of that one."""

    @property
    def may_start(self) -> bool:
        """Whether it is in line and not paused, so that a free worker may claim it within the limits."""
        return self.row["in_line"] == LinePlace.IN_LINE and not self.is_paused

    @property
    def document(self) -> Document:
        """The document of the job that stands for the request."""
        return self.found or as_new_document(self.row)


def as_new_document(row: Mapping[str, Any]) -> Document:
    """The document of a job that begins with the caller's transaction.

    Its status is Pending, whatever its row says: no worker can claim it before the commit."""
    return as_document({**row, "status": str(JobStatus.PENDING)})


def as_document(row: Mapping[str, Any]) -> Document:
    """The Background Job document of an inserted row, without reading it back."""
    values = {"doctype": config.JOB, **row}
    for name in content.COLUMNS & row.keys():
        del values[name]
    document = get_controller(config.JOB)(values)  # which `frappe.get_doc` finds by and by
    content.keep(document, row)
    document.set("__islocal", False)
    return document


# The title, by which people tell a job from others of its type -------------------------------------------------------


TITLE_LENGTH = 140
IN_TITLES = (str, int, float, Decimal, date)
PLACE = re.compile(r"\{(\w+)\}")
"""A parameter in the title that a Job Type has for its jobs: `Statement for {customer}`."""


def title_for(given: Any, template: str | None, parameters: Mapping[str, Any] | None) -> str | None:
    """The title that a caller gives, or that of the Job Type with parameters in it. Longer ones end with an ellipsis.

    Only texts, numbers and dates have a place in a title.
    """
    if given is None:
        known = {name: value for name, value in (parameters or {}).items() if isinstance(value, IN_TITLES)}
        given = PLACE.sub(lambda place: str(known.get(place[1], "")), template or "")
    title = " ".join(text_for_storage(given).split())
    return (title if len(title) <= TITLE_LENGTH else f"{title[: TITLE_LENGTH - 1].strip()}…") or None


def check_title_template(template: str, declared: Declared) -> None:
    """Raises InvalidJobError if a Job Type's title has a place for something else than these parameters."""
    if unknown := [place for place in PLACE.findall(template) if not declared.takes(place)]:
        problem = describe_unknown(unknown, declared.known)
        raise InvalidJobError(_("Invalid title: {0}.").format(problem))


# The document that a job is about, and its tags ----------------------------------------------------------------------


def pair_of(reference: Any) -> tuple[str | None, str | None]:
    """DocType and name of a document that is given. None twice if none is given. Raises InvalidJobError.

    `reference`: a document, its DocType and name, or an object with `doctype` and `name`. Whether it exists is not
    checked: a job may outlive its document.
    """
    if reference in (None, "", (), []):
        return None, None
    field_of = getattr(reference, "get", lambda _field: None)
    parts = reference if isinstance(reference, list | tuple) else [field_of("doctype"), field_of("name")]
    # A name is a number in a DocType that numbers its rows.
    texts = [str(part).strip() for part in parts if isinstance(part, str | int)]
    if len(parts) != 2 or len(texts) != 2 or not all(0 < len(text) <= config.LONGEST_NAME for text in texts):
        raise InvalidJobError(_("reference must be a saved document, or its DocType and its name."))
    doctype, name = parts
    return plain(doctype, "reference"), plain(str(name), "reference")


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
