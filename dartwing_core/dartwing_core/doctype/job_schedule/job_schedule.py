from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dartwing_core.dartwing_core.guarded_document import OrganizationsDocument, SealedDocument
from dartwing_core.jobs.access import content
from dartwing_core.jobs.lib import config, ids
from dartwing_core.jobs.lib.sealing import SealError
from dartwing_core.jobs.schedules import schedule_store


class JobSchedule(OrganizationsDocument, SealedDocument):
    """A recurring job. Admins of its organization write it, and the engine writes its state."""

    organization: str | None
    parameters: str | None

    def load_from_db(self) -> Any:
        """Open the parameters, which people edit. In the row and in caches they are sealed."""
        found = super().load_from_db()
        with suppress(SealError):  # of another key: people can still disable the schedule, or give parameters anew
            self.parameters = content.opened_schedule(self.name, self.parameters)
        return found

    def db_insert(self, *arguments: Any, **named: Any) -> None:
        """Insert the row with sealed parameters."""
        with self._sealed():
            super().db_insert(*arguments, **named)

    def db_update(self) -> None:
        """Update the row with sealed parameters."""
        with self._sealed():
            super().db_update()

    def __getstate__(self) -> dict[str, Any]:
        """The document as Frappe's caches keep it."""
        return {**super().__getstate__(), "parameters": content.sealed_schedule(self.name, self.parameters)}

    @contextmanager
    def _sealed(self) -> Iterator[None]:
        opened = self.parameters
        self.parameters = content.sealed_schedule(self.name, opened)
        try:
            yield
        finally:
            self.parameters = opened

    def autoname(self) -> None:
        """Name the schedule by a new id."""
        self.name = ids.new_name("SCHEDULE")

    def insert(self, *arguments: Any, **named: Any) -> JobSchedule:
        """An empty organization is the default one. Frappe checks permissions and links before `before_insert`."""
        self.organization = self.organization or config.settings().default_organization
        return super().insert(*arguments, **named)

    def validate(self) -> None:
        """Check the fields, and fill in those that follow from others."""
        schedule_store.check(self)
