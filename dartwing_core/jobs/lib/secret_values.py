"""Secrets among a job's parameters: encrypted where they are stored, dots where they are shown.

In a row, a secret stands as `{"$secret": "…"}`, encrypted with the site's own key as Frappe encrypts passwords.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar, get_args

from frappe import _

from ..errors import InvalidJobError
from . import canonical, sealing

MARK = "$secret"
"""The only key of an encrypted value. No parameter of a caller's may hold it."""
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
    return _replaced(parameters, lambda secret: sealing.seal(secret.get_secret_value()))


def fingerprinted(parameters: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Veiled parameters in which equal secrets of an owner are equal. They tell nothing without the site's key.

    Those of two owners differ: who guesses another user's secret must not learn from a duplicate that it is right.
    """
    return _replaced(parameters, lambda secret: sealing.fingerprint(f"{owner}\n{secret.get_secret_value()}"))


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
    try:
        return Secret(sealing.opened(str(value[MARK])))
    except sealing.SealError as error:
        raise InvalidJobError(f"{name}: {error}") from error


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
