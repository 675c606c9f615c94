"""Frappe's own whitelisted functions that read or write documents without asking for permission.

`override_whitelisted_methods` in hooks.py puts these in their place. Each names the hole that it closes and the
versions that have it; of what is not ours, and for who sees everything, it answers what the original answers.

The originals are named by their modules: Frappe serves every attribute of a module that is a whitelisted function.
"""

from __future__ import annotations

from . import charts_and_reports, documents, energy_points, imports, lists
from .base import REPLACED

__all__ = ["REPLACED", "charts_and_reports", "documents", "energy_points", "imports", "lists"]
