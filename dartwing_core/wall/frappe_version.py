"""Which Frappe this is, where that decides what has to be closed."""

from __future__ import annotations

from frappe import client

IS_15 = hasattr(client, "validate_link")
"""Frappe 15. Later versions ask for permission where they count, sum up and search, and take no SQL."""
