"""Secrets among a job's parameters: encrypted where they are stored, dots where they are shown.

In a row, a secret stands as `{"$secret": "…"}`, encrypted with the site's own key as Frappe encrypts passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args
from urllib.parse import quote, quote_plus

from frappe import _

from ..errors import InvalidJobError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MARK = "$secret"
"""The only key of an encrypted value. No parameter of a caller's may hold it."""
MASK = "••••••••"
SHORTEST_LINE = 8
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

    def __len__(self) -> int:
        """Of its text: for types with a shortest or longest length."""
        return len(str(self._value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, _handler: Any) -> Any:
        """pydantic's hook: a text becomes a Secret."""
        from pydantic_core import core_schema

        if get_args(source) not in ((str,), ()):  # without arguments: of a default value
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
                raise _dots(name)
            found[name] = opened_value(name, kept[name])
    return found


def sealed(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Parameters with their secrets encrypted. Each time it is another text."""
    return _replaced(parameters, names, lambda text: {MARK: _cipher().encrypt(text.encode()).decode()})


def fingerprinted(parameters: Mapping[str, Any], names: Collection[str], owner: str) -> dict[str, Any]:
    """Parameters in which equal secrets of an owner are equal. They tell nothing without the site's key.

    Those of two owners differ: who guesses another user's secret must not learn from a duplicate that it is right.
    """
    key = _key()

    def fingerprint(text: str) -> dict[str, str]:
        return {MARK: hmac.digest(key, f"{owner}\n{text}".encode(), hashlib.sha256).hex()}

    return _replaced(parameters, names, fingerprint)


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


def masked(parameters: Any, names: Collection[str] = ()) -> Any:
    """Stored parameters as they are shown: dots in place of secrets.

    `names`: those that are secret, also where the rows are older than their declaration.
    """
    if not isinstance(parameters, Mapping):
        return parameters
    return {name: MASK if is_hidden(name, value, names) else value for name, value in parameters.items()}


def is_hidden(name: str, value: Any, names: Collection[str]) -> bool:
    """Whether a stored parameter is a secret: encrypted, or declared as one since it was stored."""
    return is_sealed(value) or (name in names and value is not None)


def check_dots(given: Mapping[str, Any], stored: Mapping[str, Any], names: Collection[str]) -> None:
    """Raises InvalidJobError for dots in place of a secret that the handler no longer declares."""
    for name, value in stored.items():
        if name not in names and is_sealed(value) and given.get(name) == MASK:
            raise _dots(name)


def _dots(name: str) -> InvalidJobError:
    return InvalidJobError(_("{0}: these dots stand for a secret. Give the secret itself.").format(name))


def spellings(secrets: Collection[str]) -> tuple[str, ...]:
    """How these secrets may stand in texts, the longest first: as they are, in JSON, in Python or in addresses."""
    found = set()
    for secret in secrets:
        lines = [line.strip() for line in secret.splitlines()]
        texts = {secret, secret.strip(), " ".join(secret.split()), html.unescape(secret), html.escape(secret)}
        texts |= {line for line in lines if len(line) >= SHORTEST_LINE}
        texts |= {repr(secret)[1:-1], repr(secret.encode())[2:-1]}
        texts |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
        texts |= {json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
        found |= {text for text in texts if len(text) >= SHORTEST_HIDDEN}
    return tuple(sorted(found, key=len, reverse=True))


def without(text: str, spelled: Collection[str]) -> str:
    """A text in which dots replace secrets. `spelled`: their `spellings`."""
    for secret in spelled:
        text = text.replace(secret, MASK)
    return text


def without_in(value: Any, spelled: Collection[str]) -> Any:
    """The same for all texts in a value that is made of lists and objects."""
    if isinstance(value, str):
        return without(value, spelled)
    if isinstance(value, Mapping):
        return {without_in(key, spelled): without_in(one, spelled) for key, one in value.items()}
    return [without_in(one, spelled) for one in value] if isinstance(value, list | tuple) else value
