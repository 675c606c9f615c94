"""Holes of Frappe that rules of `dartwing_core/wall` close, each shown with the rule switched off."""

from __future__ import annotations

from . import of_rows, of_rules, of_substitutes
from .scene import HOLES, Hole, Scene, made

__all__ = ["HOLES", "Hole", "Scene", "made", "of_rows", "of_rules", "of_substitutes"]
