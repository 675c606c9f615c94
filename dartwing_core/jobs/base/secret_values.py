"""Secrets among a job's parameters: encrypted where they are stored, dots where they are shown.

In a row, a secret stands as `{"$secret": "…"}`, encrypted with the site's own key as Frappe encrypts passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

from frappe import _

from ..errors import InvalidJobError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MARK = "$secret"
"""The only key of an encrypted value. No parameter of a caller's may hold it."""
MASK = "••••••••"
SHORTEST_HIDDEN = 4
"""Characters of a secret that is looked for in texts. A shorter one would blot out ordinary words."""

T = TypeVar("T")


class Secret(Generic[T]):
    """The type of a parameter that nobody may read, such as a token: `token: Secret[str]`.

    It is encrypted in the database. Screens, REST and exports show dots. The handler reads it by `get_secret_value()`,
    and its text is the dots. Only text can be secret, and only a parameter itself, not a part of one.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T):
        self._value = value

    def get_secret_value(self) -> T:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, _handler: Any) -> Any:
        """pydantic's hook: a text becomes a Secret."""
        from pydantic_core import core_schema

        if get_args(source) != (str,):
            raise TypeError(_("a secret is text: write {0}").format("Secret[str]"))
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        """pydantic's hook: the schema of its own SecretStr, which clients know as a password."""
        return {"type": "string", "format": "password", "writeOnly": True}


def is_sealed(value: Any) -> bool:
    """Whether a value of stored parameters is an encrypted secret."""
    return isinstance(value, dict) and value.keys() == {MARK}


def check_free(parameters: Mapping[str, Any]) -> None:
    """Raises InvalidJobError for parameters with an encrypted value, which may be another user's."""
    for name, value in parameters.items():
        if isinstance(value, Mapping) and MARK in value:
            raise InvalidJobError(_("{0}: an encrypted value can't be given. Give the secret itself.").format(name))


def plain(parameters: Mapping[str, Any], names: Collection[str], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with secrets as texts: as given, or where the dots are given, those that `kept` holds encrypted.

    Raises InvalidJobError for dots without a kept secret.
    """
    found = dict(parameters)
    for name in names:
        value = found.get(name)
        if isinstance(value, Secret):
            found[name] = value.get_secret_value()
        elif value == MASK or is_sealed(value):
            if not is_sealed(kept.get(name)) or value not in (MASK, kept[name]):
                raise InvalidJobError(_("{0}: these dots stand for a secret. Give the secret itself.").format(name))
            found[name] = opened_value(name, kept[name])
    return found


def sealed(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Parameters with their secrets encrypted. Each time it is another text."""
    return _replaced(parameters, names, lambda text: {MARK: _cipher().encrypt(text.encode()).decode()})


def fingerprinted(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Parameters in which equal secrets are equal, and tell nothing to those who do not have the site's key."""
    key = _key()
    return _replaced(parameters, names, lambda text: {MARK: hmac.digest(key, text.encode(), hashlib.sha256).hex()})


def _replaced(parameters: Mapping[str, Any], names: Collection[str], replacement: Any) -> dict[str, Any]:
    texts = {name: parameters[name] for name in names if isinstance(parameters.get(name), str)}
    return {**parameters, **{name: replacement(text) for name, text in texts.items()}}


def opened(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Stored parameters with those secrets as texts. Raises InvalidJobError if one can't be read."""
    sealed_names = [name for name in names if is_sealed(parameters.get(name))]
    return {**parameters, **{name: opened_value(name, parameters[name]) for name in sealed_names}}


def opened_value(name: str, value: Mapping[str, Any]) -> str:
    """The text of an encrypted value. Raises InvalidJobError if it can't be read. `name`: that of the parameter."""
    from cryptography.fernet import InvalidToken

    try:
        return _cipher().decrypt(str(value[MARK]).encode()).decode()
    except (InvalidToken, ValueError) as error:
        text = _("{0} can't be decrypted: the site's encryption_key is not the one it was encrypted with.")
        raise InvalidJobError(text.format(name)) from error


def _cipher() -> Fernet:
    from cryptography.fernet import Fernet  # late: its import takes time, and few jobs have secrets

    return Fernet(_key())


def _key() -> bytes:
    from frappe.utils.password import get_encryption_key  # late, for the same reason

    return get_encryption_key().encode()


def masked(parameters: Any) -> Any:
    """Stored parameters as they are shown: dots in place of encrypted values."""
    if not isinstance(parameters, Mapping):
        return parameters
    return {name: MASK if is_sealed(value) else value for name, value in parameters.items()}


def without(text: str, secrets: Collection[str]) -> str:
    """A text in which dots replace the secrets, also as they stand in JSON."""
    for secret in secrets:
        if len(secret) >= SHORTEST_HIDDEN:
            for spelled in {secret, json.dumps(secret)[1:-1]}:
                text = text.replace(spelled, MASK)
    return text
