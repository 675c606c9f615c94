"""Long lists, taken a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def in_pieces(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """These values in their order, at most `size` at a time."""
    return (values[start : start + size] for start in range(0, len(values), size))
