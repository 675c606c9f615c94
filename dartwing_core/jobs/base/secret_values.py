"""Secrets among a job's parameters: encrypted where they are stored, dots where they are shown.

In a row, a secret stands as `{"$secret": "…"}`, encrypted with the site's own key as Frappe encrypts passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

import frappe
from frappe import _
from frappe.utils.synchronization import filelock

from ..errors import InvalidJobError
from . import canonical

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MARK = "$secret"
"""The only key of an encrypted value. No parameter of a caller's may hold it."""
KEY = "encryption_key"
"""The site's key in its configuration."""
MASK = "••••••••"
DOTS = MASK[:4]
"""No given secret may hold so many: they are the mask, perhaps with something typed beside it."""

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


def check_given(parameters: Mapping[str, Any]) -> None:
    """Raises InvalidJobError for veiled parameters with dots, or with an encrypted value, which may be another's."""
    for name, value in parameters.items():
        if isinstance(value, Secret) and DOTS in value.get_secret_value():
            raise _dots(name)
        if isinstance(value, Mapping) and MARK in value:
            raise InvalidJobError(_("{0}: an encrypted value can't be given. Give the secret itself.").format(name))


def veiled(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Given parameters with each secret as a `Secret`, which no traceback shows."""
    return {
        name: Secret(value) if name in names and isinstance(value, str) else value for name, value in parameters.items()
    }


def revealed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Veiled parameters with secrets as texts."""
    return {
        name: value.get_secret_value() if isinstance(value, Secret) else value for name, value in parameters.items()
    }


def json_of(parameters: Mapping[str, Any]) -> Secret[str]:
    """Veiled parameters as canonical JSON, which no traceback shows. Raises InvalidJobError for what has none."""
    canonical.canonical_json(masked(parameters))  # it may raise, and must not hold a secret then
    for name, value in parameters.items():
        if isinstance(value, Secret) and not _is_unicode(value):
            raise InvalidJobError(_("{0} holds text that is not valid Unicode.").format(name))
    return Secret(canonical.canonical_json(revealed(parameters)))


def _is_unicode(secret: Secret[str]) -> bool:
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        return False
    return True


def sealed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Veiled parameters with their secrets encrypted. Each time it is another text."""
    make_key()
    cipher = _cipher()
    return _replaced(parameters, lambda secret: cipher.encrypt(secret.get_secret_value().encode()).decode())


def fingerprinted(parameters: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Veiled parameters in which equal secrets of an owner are equal. They tell nothing without the site's key.

    Those of two owners differ: who guesses another user's secret must not learn from a duplicate that it is right.
    """
    make_key()
    key = _key().encode()

    def fingerprint(secret: Secret[str]) -> str:
        return hmac.digest(key, f"{owner}\n{secret.get_secret_value()}".encode(), hashlib.sha256).hex()

    return _replaced(parameters, fingerprint)


def _replaced(parameters: Mapping[str, Any], replacement: Callable[[Secret[str]], str]) -> dict[str, Any]:
    secrets = {name: value for name, value in parameters.items() if isinstance(value, Secret)}
    return {**parameters, **{name: {MARK: replacement(secret)} for name, secret in secrets.items()}}


def opened(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Stored parameters with those secrets veiled. Raises InvalidJobError if one can't be read.

    A text is one of a row that is older than the declaration.
    """
    found = dict(parameters)
    for name in names:
        if is_sealed(found.get(name)):
            found[name] = _opened_value(name, found[name])
        elif isinstance(found.get(name), str):
            found[name] = Secret(found[name])
    return found


def _opened_value(name: str, value: Mapping[str, Any]) -> Secret[str]:
    from cryptography.fernet import InvalidToken

    cipher = _cipher()
    try:
        return Secret(cipher.decrypt(str(value[MARK]).encode()).decode())
    except (InvalidToken, ValueError) as error:
        text = _("{0} can't be decrypted: the site's encryption_key is not the one it was encrypted with.")
        raise InvalidJobError(text.format(name)) from error


def _cipher() -> Fernet:
    from cryptography.fernet import Fernet  # late: its import takes time, and few jobs have secrets

    try:
        return Fernet(_key().encode())
    except ValueError as error:
        raise InvalidJobError(_("Secrets need a valid encryption_key in the site's site_config.json.")) from error


def make_key() -> None:
    """Give the site an encryption key, as Frappe does, if it has none."""
    from frappe.utils.password import get_encryption_key  # late, for the same reason

    if not _key():
        with filelock("encryption_key"):  # of two processes that make one, the second would replace the first one's
            if not _key():
                get_encryption_key()


def _key() -> str:
    """The site's encryption key. Empty if it has none.

    A process whose configuration is older than the key reads the file: Frappe itself would make another key.
    """
    conf = frappe.local.conf
    if not conf.get(KEY):
        with filelock("site_config"):  # Frappe empties the file before it writes it
            stored = json.loads(Path(frappe.get_site_path("site_config.json")).read_text(encoding="utf-8"))
        if key := stored.get(KEY):
            conf[KEY] = key
    return str(conf.get(KEY) or "")


def masked(parameters: Any, names: Collection[str] = ()) -> Any:
    """Stored or veiled parameters as they are shown: dots in place of secrets.

    `names`: those that are secret, also where the rows are older than their declaration.
    """
    if not isinstance(parameters, Mapping):
        return parameters
    return {name: MASK if is_hidden(name, value, names) else value for name, value in parameters.items()}


def is_hidden(name: str, value: Any, names: Collection[str]) -> bool:
    """Whether a parameter is a secret: veiled, encrypted, or declared as one since it was stored."""
    return isinstance(value, Secret) or is_sealed(value) or (name in names and value is not None)


def are_same(given: Any, stored: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether given parameters are the stored ones: as they are, or with dots in place of secrets.

    Nobody may keep a secret and change what stands beside it, such as the address to which it is sent.
    """
    text, shown = _comparable(given), masked(stored, names)
    if text is None or text == _comparable(stored):
        return text is not None
    return shown != stored and _comparable(_with_floats(given)) == _comparable(_with_floats(shown))


def _with_floats(value: Any) -> Any:
    """Parameters as JavaScript has them, which may have shown them: all numbers are floats there."""
    if isinstance(value, Mapping):
        return {key: _with_floats(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_floats(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _comparable(parameters: Any) -> str | None:
    try:
        return canonical.canonical_json(parameters)
    except InvalidJobError:
        return None  # whoever checks it says why


def check_dots(given: Any, stored: Mapping[str, Any]) -> None:
    """Raises InvalidJobError for dots in place of a stored secret, whether or not the handler still declares it."""
    for name, value in stored.items() if isinstance(given, Mapping) else ():
        if is_sealed(value) and given.get(name) == MASK:
            raise _dots(name)


def _dots(name: str) -> InvalidJobError:
    return InvalidJobError(_("{0}: these dots stand for a secret. Give the secret itself.").format(name))
