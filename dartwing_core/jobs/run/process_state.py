"""State of the process that a handler may change, beside Frappe's context and the database session.

Some of it is easily put back. After any other change the process runs no other job.
"""

from __future__ import annotations

import contextvars
import csv
import decimal
import gc
import http.client
import json
import locale
import logging
import operator
import os
import random
import resource
import signal
import socket
import ssl
import sys
import tempfile
import threading
import urllib.request
import warnings
from types import ModuleType
from typing import Any

from ..lib.outside_errors import BaseTimeoutException

OWN_THREADS = frozenset({"job-heartbeat", "job-sweeps"})
MEMORY_LIMIT = 256 * 1024
"""A process that has grown by so many kilobytes runs no other job."""
WATCHED = (csv, http.client, json, logging, random, socket, ssl, urllib.request)
"""Modules whose attributes decide how others work: checks of certificates, logging, …"""
PUT_BACK = ((urllib.request, "_opener"), (tempfile, "tempdir"))
"""Attributes that modules set by themselves at their first use. Such a change says nothing about the handler."""
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
    """The state of this process at one moment."""

    def __init__(self) -> None:
        self._loggers = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
        self._loggers.append(logging.root)
        self._put_back = [getattr(module, name) for module, name in PUT_BACK]
        self._attributes = [(module, _attributes(module)) for module in WATCHED]
        self._before = self._state()
        self._memory = _memory()

    def is_as_it_was(self) -> bool:
        """Whether handlers have left nothing behind: threads, signals, folder, environment, time-outs, memory, …"""
        try:
            is_same = self._state() == self._before
        except BaseTimeoutException:
            raise
        except Exception:  # values that can't be compared
            return False
        return is_same and self._has_attributes() and _memory() - self._memory < MEMORY_LIMIT

    def restore(self) -> None:
        """Put back the state that `is_as_it_was` ignores, and seed Python's random numbers as RQ does for each job."""
        random.seed()
        for (module, name), before in zip(PUT_BACK, self._put_back, strict=True):
            setattr(module, name, before)

    def _has_attributes(self) -> bool:
        """Whether attributes are unchanged. New names do not count: they are imported modules within the module."""
        for module, before in self._attributes:
            now = vars(module)
            if not all(map(operator.is_, map(now.get, before), before.values())):
                return False
        return True

    def _state(self) -> tuple[Any, ...]:
        return (_of_python(), _of_system(), [(one.level, one.disabled) for one in self._loggers], _context_variables())


def _attributes(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if (module, name) not in PUT_BACK}


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
        [one for one in warnings.filters if one[0] == "error"],  # libraries add others when they are imported
        tuple(logging.root.handlers),
        logging.root.manager.disable,
        (gc.isenabled(), gc.get_threshold()),
        locale.setlocale(locale.LC_ALL),
        _rules_of(decimal.getcontext()),
        _rules_of(decimal.DefaultContext),
        csv.field_size_limit(),
    )


def _rules_of(context: decimal.Context) -> str:
    """The context without its flags, which each calculation that rounds sets."""
    copied = context.copy()
    copied.clear_flags()
    return repr(copied)


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
    """All context variables except the one in which Frappe keeps `frappe.local`."""
    found = contextvars.copy_context().items()
    return {name: value for name, value in found if not (isinstance(value, dict) and "db" in value)}


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _memory() -> int:
    """The peak memory of this process, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
