"""What the types of rows have in common, and those that folders below the store need.

A row is the dict that the driver hands out, so its type costs nothing. The keys of the type are the columns of the
select (`fields_of`). A function asks for the smallest type that will do; rows with more columns fit as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar, cast

Columns = dict[str, Any]
"""Columns that are to be written, with their values."""
Row = TypeVar("Row", bound=Mapping[str, Any])


def fields_of(row_type: Any, *leaving_out: str) -> tuple[str, ...]:
    """The columns of a row of this type, for its select."""
    return tuple(field for field in row_type.__annotations__ if field not in leaving_out)


def changed(row: Row, columns: Columns) -> Row:
    """The row as it is once these columns are written."""
    return cast(Row, {**row, **columns})


class AttemptKey(TypedDict):
    """Which attempt of which job."""

    name: str
    attempt: int


class TypeAndOrganization(TypedDict):
    """Whose jobs a circuit holds."""

    job_type: str
    organization: str


class OwnedJob(TypeAndOrganization):
    """Whom the news of a job concern."""

    name: str
    owner_user: str


class RungJob(AttemptKey):
    """A job for which workers are woken."""

    queue: str
    timeout_seconds: int


class MovableJob(OwnedJob):
    """What a change of a job's status asks of it."""

    status: str
    attempt: int
    retry_count: int
