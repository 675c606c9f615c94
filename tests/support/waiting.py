"""Waiting for something to become true, with a deadline instead of a sleep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")

INTERVAL = 0.02


def until(condition: Callable[[], T], seconds: float = 15, what: str = "the condition") -> T:
    """The first true value of `condition`; fails the test, naming `what`, when the time is up."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        pause.wait(INTERVAL)


def has_ended(process: psutil.Process) -> bool:
    """Whether a process is over, also one whose parent has not asked for its end."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
