"""A job that a worker has claimed, with all that is known of it from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..access.tenancy import Owner
from ..job.circuits import Circuit
from ..job.queued_job import QueuedRow
from .limits import Key


class ClaimedRow(QueuedRow):
    """A job whose attempt has begun, with all that the attempt needs of it."""

    started_at: datetime
    connection_id: int


@dataclass(slots=True)
class ClaimedJob:
    """A job that is Running by a claim of this process. It is never changed."""

    row: ClaimedRow
    owner: Owner
    has_children: bool
    """Whether another job depended on it at the claim."""
    handler: str | None
    """Path of the Job Type's handler. None if the type is gone."""
    timeout_handler: str | None
    requires_permission: str | None
    is_alone: bool
    """Whether its type asks for a process of its own."""
    caps: Mapping[Key, int]
    """The running caps that apply to it."""
    circuit: Circuit | None
    """The circuit whose probe it is. None if it is no probe."""

    @property
    def name(self) -> str:
        """The name of the job."""
        return self.row["name"]

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1."""
        return self.row["attempt"]

    @property
    def is_probe(self) -> bool:
        """Whether this attempt is the probe of its circuit."""
        return self.circuit is not None and self.circuit.is_probe(self.name, self.attempt)
