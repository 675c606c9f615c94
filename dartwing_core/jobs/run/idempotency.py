"""The key by which other systems recognize a job's work: one for all attempts, and not the job's id."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

import frappe

from ..lib import config, ids

FIELD = "idempotency_secret"
LENGTH = 32


def key_of(job_id: str) -> str:
    """A hash of the id with the site's secret. For a job older than the secret its id, as first attempts sent it."""
    since, _space, secret = (frappe.get_cached_doc(config.SETTINGS).get(FIELD) or "").partition(" ")
    if not secret or job_id < since:
        return job_id
    return hmac.new(secret.encode(), job_id.encode(), hashlib.sha256).hexdigest()[:LENGTH]


def make_secret() -> None:
    """Make the site's secret, if there is none. It is in the database, where all processes read one value."""
    if not frappe.db.get_single_value(config.SETTINGS, FIELD):
        secret = f"{ids.first_job_name(time.time())} {secrets.token_hex(32)}"
        frappe.db.set_single_value(config.SETTINGS, FIELD, secret)
        frappe.clear_document_cache(config.SETTINGS, config.SETTINGS)
