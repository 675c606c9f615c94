"""Seals texts with the site's `encryption_key`, so that no list, export, cache or backup shows what jobs are about.

A sealed text is a Fernet token. Stored hashes of contents are keyed, too, so that nobody finds a content by guessing.
"""

from __future__ import annotations

import hashlib
import hmac

import frappe
from cryptography.fernet import Fernet, InvalidToken
from frappe import _
from frappe.utils.password import get_encryption_key

from ..errors import InvalidJobError, PermanentError

KEY = "encryption_key"
"""The site's key in its configuration. Frappe encrypts passwords with it."""
START = "gAAAA"
"""How each token begins: its version, and the high bytes of its time."""


class SealError(PermanentError, InvalidJobError):
    """A sealed text can't be made or opened: the site's `encryption_key` is gone, or is another one."""


def seal(text: str) -> str:
    """The text, sealed. Each time it is another token. Raises SealError."""
    return cipher().encrypt(text.encode()).decode()


def opened(token: str) -> str:
    """The text that was sealed. Raises SealError."""
    try:
        return cipher().decrypt(token.encode()).decode()
    except (InvalidToken, ValueError) as error:
        text = _("Stored data can't be opened: {0} in the site's site_config.json is not the key that sealed it.")
        raise SealError(text.format(KEY)) from error


def is_sealed(text: object) -> bool:
    """Whether a value is a token. JSON never looks like one."""
    return isinstance(text, str) and text.startswith(START)


def fingerprint(text: str) -> str:
    """A keyed hash of the text, in hex. Without the site's key nobody can compute it. Raises SealError."""
    return hmac.digest(_valid_key().encode(), text.encode(), hashlib.sha256).hex()


def cipher() -> Fernet:
    """The cipher of this site. Its `encrypt` works in any thread. Raises SealError."""
    try:
        return Fernet(_valid_key())
    except ValueError as error:
        raise SealError(_("{0} in the site's site_config.json is not valid.").format(KEY)) from error


def make_key() -> bool:
    """Give the site an encryption key, as Frappe does, if it has none. Returns whether it has made one."""
    return not frappe.local.conf.get(KEY) and bool(get_encryption_key())


def _valid_key() -> str:
    key = frappe.local.conf.get(KEY)  # not by Frappe's function, which would make another key
    if not key:
        text = _("{0} is missing in the site's site_config.json. Restore it. On a new site, run bench migrate.")
        raise SealError(text.format(KEY))
    return str(key)
