"""The private MariaDB of the standalone site, to stop and start again; a bench's own is not ours to touch."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import frappe
import psutil
import pymysql

from dartwing_core.jobs.lib import connection

from . import processes
from .waiting import has_ended, until

COMMAND = "DW_MARIADB_COMMAND"


def is_ours() -> bool:
    """Whether the site under test has a private MariaDB."""
    return COMMAND in os.environ


def option(name: str) -> str:
    """The value of an option that the launcher started it with."""
    return next(part.partition("=")[2] for part in json.loads(os.environ[COMMAND]) if part.startswith(f"--{name}="))


def answers() -> bool:
    """Whether the server greets a new connection."""
    try:
        with socket.create_connection(("127.0.0.1", int(option("port"))), timeout=1) as greeting:
            return bool(greeting.recv(1))
    except OSError:
        return False


def stop(number: int = signal.SIGTERM) -> None:
    """End it: in good order by SIGTERM, as a crash does by SIGKILL."""
    process = psutil.Process(int(Path(option("pid-file")).read_text()))
    process.send_signal(number)
    # Whoever started it may not have taken its exit status yet.
    until(lambda: has_ended(process), 30, "the end of MariaDB")


def start() -> None:
    """Start it again on the same data folder and port; this process's own connection is made anew."""
    processes.start_again("mariadb", json.loads(os.environ[COMMAND]))
    until(answers, 60, "MariaDB")
    connection.discard()


@contextmanager
def root() -> Iterator[Any]:
    """A cursor of the server's root user."""
    with pymysql.connect(unix_socket=option("socket"), user=getpass.getuser(), autocommit=True) as other:
        yield other.cursor()


@contextmanager
def commits_held() -> Iterator[None]:
    """Every COMMIT that changes something hangs meanwhile; other statements go on."""
    frappe.db.rollback()
    with root() as cursor:
        for stage in ("START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT"):
            cursor.execute(f"BACKUP STAGE {stage}")
        yield
        cursor.execute("BACKUP STAGE END")
