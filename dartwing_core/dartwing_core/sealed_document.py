"""Documents with fields that lie sealed in columns of their own: see `dartwing_core.jobs.access.content`."""

from __future__ import annotations

from typing import Any

from frappe.model.document import Document

from dartwing_core.jobs.access import content


class SealedDocument(Document):
    """A document whose sealed fields are properties, which open them for who may see them."""

    def load_from_db(self) -> Any:
        """Take the sealed columns out of the values of the document."""
        found = super().load_from_db()
        columns = [name for name in self.__dict__ if name.startswith(content.PREFIX)]
        content.keep(self, {name: self.__dict__.pop(name) for name in columns})
        return found

    def get(self, key: Any, *arguments: Any, **named: Any) -> Any:
        """A field, opened if it is sealed."""
        is_sealed = isinstance(key, str) and content.column(key) != key
        return getattr(self, key, None) if is_sealed else super().get(key, *arguments, **named)


def sealed_field(name: str) -> property:
    """The property of a sealed field."""
    return property(lambda document: content.of_document(document, name))
