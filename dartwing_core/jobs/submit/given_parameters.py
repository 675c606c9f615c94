"""Checks the parameters of a request, and turns them into what the row holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frappe import _

from ..errors import InvalidJobError, UnknownHandlerError
from ..lib import canonical, config, secret_values
from ..types import handlers
from ..types.parameters import Declared


@dataclass(frozen=True, slots=True)
class Checked:
    """Parameters that fit their handler."""

    text: str
    """The text for the row: canonical JSON, with secrets encrypted."""
    identity: str
    """Canonical JSON that is the same for equal parameters. It tells no secret."""
    shown: Mapping[str, Any]
    """The parameters and their defaults, without secrets."""


def declared_of_type(type_name: str) -> Declared | None:
    """The declared parameters of a type's handler. None also for a type that is gone. Raises UnknownHandlerError."""
    job_type = config.job_type(type_name)
    return handlers.declared_of(job_type.handler_method) if job_type else None


def secrets_of(type_name: str) -> frozenset[str]:
    """The names of a Job Type's secret parameters. None of a type that is gone. Raises UnknownHandlerError."""
    declared = declared_of_type(type_name)
    return declared.secrets if declared else frozenset()


def shown(type_name: str, parameters: Any) -> Any:
    """Stored parameters as they are shown, with dots in place of secrets, also if the handler can't be imported now."""
    try:
        names = secrets_of(type_name) if parameters else frozenset()
    except UnknownHandlerError:
        names = frozenset()
    return secret_values.masked(parameters, names)


def check(given: Any, declared: Declared | None, owner: str) -> Checked:
    """Check the parameters. Raises InvalidJobError unless they are what the handler declares.

    `owner`: the user as whom the job runs.
    """
    names = declared.secrets if declared else frozenset[str]()
    if isinstance(given, Mapping):  # what else it may be, canonical JSON refuses
        given = secret_values.veiled(given, names)
    has_secrets = bool(names) and isinstance(given, Mapping)
    stored = canonical.canonical_json(secret_values.sealed(given, names) if has_secrets else given)
    check_size(len(stored))
    if declared:
        declared.check(given or {}, stored)
    if not has_secrets:
        return Checked(stored, stored, with_defaults(given or {}, declared))
    identity = canonical.canonical_json(secret_values.fingerprinted(given, names, owner))
    return Checked(stored, identity, with_defaults(secret_values.masked(given), declared))


def with_defaults(given: Mapping[str, Any], declared: Declared | None) -> Mapping[str, Any]:
    """The parameters that a handler gets, for those who read them."""
    return {**declared.defaults, **given} if declared else given


def check_size(size: int) -> None:
    """Raises InvalidJobError for parameters that are too large. `size`: bytes as JSON, which is ASCII here."""
    limit = config.settings().max_parameter_bytes
    if size > limit:
        raise InvalidJobError(
            _(
                "The parameters are {0} bytes as JSON; at most {1} are allowed. Put large data in a File instead."
            ).format(size, limit)
        )
