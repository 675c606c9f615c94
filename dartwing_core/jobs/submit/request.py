"""A request for a job, and a checked one with its row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from ..access.standing import Limits
from ..job import dependencies
from ..job.job_rows import NewJobRow
from ..lib.row_types import Columns
from ..status import LinePlace


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of `submit_job`."""

    job_type: str
    organization: str
    """Its id or name. Empty: the default one."""
    parameters: Mapping[str, Any] | None = field(default=None, repr=False)  # it may hold secrets
    priority: str | None = None
    depends_on: str | Sequence[str] | None = None
    available_at: datetime | timedelta | str | float | None = None
    dedup_key: str | None = None
    on_duplicate: str = "raise"
    on_parent_failure: str = dependencies.DEAD_LETTER
    deduplication: str | None = None
    timeout: int | None = None
    max_retries: int | None = None
    title: str | None = None
    reference: Any = None
    tags: Collection[str] | None = None
    queue: str | None = None
    """The queue whose workers run the job, instead of that of its type or priority."""
    is_enqueued: bool = False
    """Whether `enqueue` asks. Nobody else says which function is called."""
    key: str | None = None
    """The job's name within its submit, for `depends_on` of other jobs and for their handlers."""


CALLERS_ARGUMENTS = frozenset(Request.__dataclass_fields__) - {"queue", "is_enqueued"}
"""The arguments that callers may give. The others are for `enqueue`."""


@dataclass(slots=True)
class Prepared:
    """A checked request and its row. An equal later request of the same submit may replace both."""

    request: Request
    row: NewJobRow
    is_paused: bool
    """Whether no job of its organization or type may start."""
    limits: Limits

    @property
    def on_duplicate(self) -> str:
        """The answer to an equal job: "raise", "return" or "replace"."""
        return self.request.on_duplicate

    def write(self, columns: Columns) -> None:
        """Change these columns of the row."""
        self.row.update(cast(NewJobRow, columns))

    @property
    def may_start(self) -> bool:
        """Whether it is in line and not paused, so that a free worker may claim it within the limits."""
        return self.row["in_line"] == LinePlace.IN_LINE and not self.is_paused
