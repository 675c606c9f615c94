"""Which parameters a handler declares as secrets, and which declarations would leave one in plain sight."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from frappe import _

from ..lib.secret_values import Secret

WRITE_ONLY = '"writeOnly": true'
"""How a JSON Schema says that a value is a secret."""


def names_of(schema: Mapping[str, Any], declared: Any) -> frozenset[str]:
    """The names of the properties that hold a Secret. Raises TypeError if one stands deeper."""
    properties = schema.get("properties", {})
    found = {name for name, part in properties.items() if _is_secret(part)}
    if json.dumps(schema).count(WRITE_ONLY) != len(found):
        raise TypeError(_("a secret is a parameter itself: it can't stand in a list or in another object"))
    for name, field in getattr(declared, "model_fields", {}).items():
        paths = [[name], *_alias_paths(field)]
        names = {path[0] for path in paths}
        if names & found and any(len(path) > 1 for path in paths):
            raise TypeError(_("a secret is a parameter itself: it can't stand in a list or in another object"))
        found |= names if names & found else set()
    for name, hint in get_type_hints(declared, include_extras=True).items():
        if name not in found and names_secret(hint):
            raise TypeError(_("the schema of a Secret can't be changed, so that it stays known as one"))
        if name in found and _has_default(declared, name):
            raise TypeError(_("a secret has no default but None: {0} would show it").format(name))
    return frozenset(found)


def names_secret(hint: Any, seen: Collection[Any] = ()) -> bool:
    """Whether a type is Secret, or holds one: within another type, an alias or a structure's field."""
    if get_origin(hint) is Secret or (isinstance(hint, type) and issubclass(hint, Secret)):
        return True
    parts = [*get_args(hint), getattr(hint, "__value__", None)]
    if is_structure(hint) and hint not in seen:
        seen = [*seen, hint]
        parts += get_type_hints(hint, include_extras=True).values()
    return any(names_secret(part, seen) for part in parts if part is not None)


def _has_default(declared: Any, name: str) -> bool:
    """Whether a field has a default other than None."""
    fields = getattr(declared, "__pydantic_fields__", None) or getattr(declared, "model_fields", {})
    if field := fields.get(name):
        return not field.is_required() and (field.default is not None or field.default_factory is not None)
    plain = getattr(declared, "__dataclass_fields__", {}).get(name)
    nothing = (dataclasses.MISSING, None)
    return plain is not None and (plain.default not in nothing or plain.default_factory is not dataclasses.MISSING)


def _alias_paths(field: Any) -> Iterator[list[Any]]:
    """Where a field of a pydantic model may be given beside its own name."""
    choices = getattr(field.validation_alias, "choices", [field.validation_alias])
    for alias in filter(None, (field.alias, *choices)):
        yield getattr(alias, "path", [alias])


def _is_secret(schema: Mapping[str, Any]) -> bool:
    """Whether a property is a Secret, or either that or null."""
    choices = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    return len(choices) == 1 and choices[0].get("writeOnly") is True


def is_structure(hint: Any) -> bool:
    """Whether a type has named fields: a dataclass, a TypedDict or a pydantic model."""
    return isinstance(hint, type) and (
        dataclasses.is_dataclass(hint) or hasattr(hint, "__total__") or hasattr(hint, "model_fields")
    )
