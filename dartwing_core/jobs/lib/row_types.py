"""Common parts of the types of rows, and the types that folders below the store need.

A row is the driver's dict, so its type costs nothing. The keys of the type are the columns of the select (`fields_of`).
A function takes the smallest type that suffices. Rows with more columns fit as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar, cast

Columns = dict[str, Any]
"""Columns to write, with their values."""
Row = TypeVar("Row", bound=Mapping[str, Any])


def fields_of(row_type: Any, *leaving_out: str) -> tuple[str, ...]:
    """The columns of a row of this type, for its select."""
    return tuple(field for field in row_type.__annotations__ if field not in leaving_out)


def changed(row: Row, columns: Columns) -> Row:
    """The row as it is once these columns are written."""
    return cast(Row, {**row, **columns})


class AttemptKey(TypedDict):
    """The key of an attempt: its job and number."""

    name: str
    attempt: int


class TypeAndOrganization(TypedDict):
    """The key of a circuit: its Job Type and organization."""

    job_type: str
    organization: str


class OwnedJob(TypeAndOrganization):
    """A job and its owner, for events and notices."""

    name: str
    owner_user: str


class RungJob(AttemptKey):
    """A job for which workers are woken."""

    queue: str
    timeout_seconds: int


class MovableJob(OwnedJob):
    """The columns that a change of a job's status needs."""

    status: str
    attempt: int
    retry_count: int
