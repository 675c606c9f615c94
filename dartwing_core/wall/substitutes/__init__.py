"""Substitutes for Frappe's whitelisted functions that read or write documents without checking a permission.

`override_whitelisted_methods` in hooks.py names them. Each docstring names the hole that the substitute closes, and the
versions of Frappe that have the hole. For documents that are not ours, and for users who see everything, a substitute
answers like the original.

Hooks and code name the originals by their modules: Frappe serves every whitelisted function that is an attribute of a
module.
"""

from __future__ import annotations

from . import boards, charts_and_reports, documents, energy_points, imports, lists
from .base import REPLACED

__all__ = ["REPLACED", "boards", "charts_and_reports", "documents", "energy_points", "imports", "lists"]
