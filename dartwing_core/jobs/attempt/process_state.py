"""What a handler may change in its process, beside Frappe's context and the database session.

What is easily put back is put back. A process that was changed in any other way runs no other job.
"""

from __future__ import annotations

import contextvars
import decimal
import gc
import locale
import logging
import os
import random
import resource
import signal
import socket
import sys
import threading
import warnings
from typing import Any

OWN_THREADS = frozenset({"job-heartbeat", "job-sweeps"})
MEMORY_LIMIT = 256 * 1024
"""A process that has grown by so many kilobytes runs no other job."""
PUT_BACK = (("urllib.request", "_opener"), ("tempfile", "tempdir"))
"""What Python's own modules set by themselves when they are first used: a change alone says nothing."""
_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
)
_LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)


class Process:
    """What can be told of this process at one moment."""

    def __init__(self) -> None:
        self._loggers = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
        self._loggers.append(logging.root)
        self._put_back = [_put_back(module, name) for module, name in PUT_BACK]
        self._before = self._state()
        self._memory = _memory()

    def is_as_it_was(self) -> bool:
        """Whether no handler has left anything behind: threads, signals, folder, environment, time-outs, memory, …"""
        try:
            is_same = self._state() == self._before
        except Exception:  # values that can't be compared
            return False
        return is_same and _memory() - self._memory < MEMORY_LIMIT

    def restore(self) -> None:
        """Put back what `is_as_it_was` passes over. RQ seeds Python's random numbers for each job, and so does this."""
        random.seed()
        for (module, name), before in zip(PUT_BACK, self._put_back, strict=True):
            if module in sys.modules:
                setattr(sys.modules[module], name, before)

    def _state(self) -> tuple[Any, ...]:
        return (_of_python(), _of_system(), [(one.level, one.disabled) for one in self._loggers], _context_variables())


def _put_back(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def _of_python() -> tuple[Any, ...]:
    threads = {thread for thread in threading.enumerate() if thread.name not in OWN_THREADS}
    return (
        threads,
        socket.getdefaulttimeout(),
        (sys.getrecursionlimit(), sys.getswitchinterval()),
        (sys.stdin, sys.stdout, sys.stderr),
        (sys.excepthook, sys.unraisablehook, threading.excepthook),
        (sys.gettrace(), sys.getprofile()),
        tuple(sys.path),
        tuple(warnings.filters),
        tuple(logging.root.handlers),
        logging.root.manager.disable,
        (gc.isenabled(), gc.get_threshold()),
        locale.setlocale(locale.LC_ALL),
        repr(decimal.getcontext()),
        repr(decimal.DefaultContext),
    )


def _of_system() -> tuple[Any, ...]:
    return (
        os.getcwd(),
        dict(os.environb),
        tuple(map(signal.getsignal, _SIGNALS)),
        signal.getitimer(signal.ITIMER_VIRTUAL),
        _umask(),
        os.nice(0),
        tuple(map(resource.getrlimit, _LIMITS)),
    )


def _context_variables() -> dict[Any, Any]:
    """All but the one in which Frappe keeps `frappe.local`."""
    found = contextvars.copy_context().items()
    return {name: value for name, value in found if not (isinstance(value, dict) and "db" in value)}


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _memory() -> int:
    """The most memory that this process has had, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
