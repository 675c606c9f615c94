"""The version of Frappe, which decides which holes there are."""

from __future__ import annotations

from frappe import client

IS_15 = hasattr(client, "validate_link")
"""Frappe 15. Later versions check permissions where they count, sum up and search, and accept no SQL."""
