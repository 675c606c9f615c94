"""Single functions that do not work as published."""

from __future__ import annotations

import monoframe


def is_setup_complete() -> bool:
    """The fork looks for a table of System Settings, a Single, so it says no for ever and Desk shows the wizard."""
    return bool(monoframe.db.get_single_value("System Settings", "setup_complete"))


def apply() -> None:
    monoframe.is_setup_complete = is_setup_complete
