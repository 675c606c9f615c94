"""Secrets among a job's parameters: encrypted where they are stored, dots where they are shown.

In a row, a secret stands as `{"$secret": "…"}`, encrypted with the site's own key as Frappe encrypts passwords.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, get_args

import pydantic
from frappe import _
from pydantic_core import core_schema

from ..errors import InvalidJobError
from . import canonical, sealing
from .texts import MASK

MARK = "$secret"
"""The only key of an encrypted value. No parameter of a caller's may hold it."""
DOTS = MASK[:4]
"""No given secret may hold so many: they are the mask, perhaps with something typed beside it."""

T = TypeVar("T")


class Secret(pydantic.Secret[T]):
    """The type of a parameter that nobody may read, such as a token: `token: Secret[str]`.

    It is encrypted in the database. Screens, REST and exports show dots. The handler reads it by `get_secret_value()`,
    and its text is the dots. Only text can be secret, and only a parameter itself, not a part of one.
    """

    def _display(self) -> str:
        return MASK

    def __len__(self) -> int:
        """Of its text: for types with a shortest or longest length."""
        return len(str(self.get_secret_value()))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """pydantic's hook: a text, or an encrypted secret of a row, becomes a Secret."""
        if get_args(source) not in ((str,), ()):  # without arguments: of a subclass, or of a default value
            raise TypeError(_("a secret is text: write {0}").format("Secret[str]"))
        of_text = super().__get_pydantic_core_schema__(pydantic.Secret[str], handler)
        return core_schema.no_info_before_validator_function(_opened_text, of_text)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        """pydantic's hook: the schema of its own SecretStr, which clients know as a password."""
        return {"type": "string", "format": "password", "writeOnly": True}


def _opened_text(value: Any) -> Any:
    return sealing.opened(str(value[MARK])) if is_sealed(value) else value


def is_sealed(value: Any) -> bool:
    """Whether a value of stored parameters is an encrypted secret."""
    return isinstance(value, dict) and value.keys() == {MARK}


def veiled(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Given parameters with each secret as a `Secret`, which no traceback shows.

    Raises InvalidJobError for dots in place of a secret, and for an encrypted value, which may be another's.
    """
    found = dict(parameters)
    for name, value in parameters.items():
        if isinstance(value, Mapping) and MARK in value:
            raise InvalidJobError(_("{0}: enter the secret itself, not its encrypted value.").format(name))
        text = value.get_secret_value() if isinstance(value, pydantic.Secret | pydantic.SecretStr) else value
        is_secret = name in names and isinstance(text, str)
        if text == MASK or (is_secret and DOTS in text):  # MASK: perhaps of a secret that is declared no more
            raise InvalidJobError(_("{0}: enter the secret itself. The dots only stand for it.").format(name))
        if is_secret:
            found[name] = Secret(canonical.plain(text, name))
    return found


def sealed(parameters: Mapping[str, Any], names: Collection[str], seal: Callable[[str], str]) -> dict[str, Any]:
    """Veiled parameters with these secrets as they are stored, or otherwise hidden by `seal`."""
    secrets = {name: parameters[name] for name in names if isinstance(parameters.get(name), Secret)}
    return {**parameters, **{name: {MARK: seal(secret.get_secret_value())} for name, secret in secrets.items()}}


def opened(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Stored parameters with those secrets veiled. Raises SealError if one can't be read."""
    # One that is a text is of a row that is older than the declaration.
    texts = {name: _opened_text(parameters.get(name)) for name in names}
    return {**parameters, **{name: Secret(text) for name, text in texts.items() if isinstance(text, str)}}


def masked(parameters: Any, names: Collection[str] = ()) -> Any:
    """Stored or veiled parameters as they are shown: dots in place of secrets.

    `names`: those that are secret, also where the rows are older than their declaration.
    """
    if not isinstance(parameters, Mapping):
        return parameters
    return {
        name: MASK if isinstance(value, Secret) or is_sealed(value) or (name in names and value is not None) else value
        for name, value in parameters.items()
    }


def are_same(given: Any, stored: Mapping[str, Any], names: Collection[str] = ()) -> bool:
    """Whether given parameters are the stored ones: as they are, or with dots in place of secrets.

    Nobody may keep a secret and change what stands beside it, such as the address to which it is sent.
    """
    try:
        text = canonical.canonical_json(given)
    except InvalidJobError:
        return False  # whoever checks it says why
    shown = masked(stored, names)
    is_shown = shown != stored and canonical.load(text) == shown  # as values: JavaScript writes 30.0 as 30
    return is_shown or text == canonical.canonical_json(stored)
