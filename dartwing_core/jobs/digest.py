"""Stays at this path: rows of Scheduled Job Type name it."""

from .monitoring.digest import send_dead_letter_digest

__all__ = ["send_dead_letter_digest"]
