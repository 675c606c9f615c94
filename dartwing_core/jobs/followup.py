"""After a job has settled, best effort: what it held up may go on. The sweeper does whatever is missed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import dependencies, dispatch


def after(job: Mapping[str, Any]) -> None:
    """Release the jobs that waited for this one."""
    dispatch.quietly(lambda: dependencies.parent_ended(job["name"]))
