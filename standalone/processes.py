"""Starting processes that end with us, whatever ends us.

Three nets, one below the other: `Process.stop` in the normal way out; the kernel's death signal, which ends a child
when its parent is gone; and the next run, which ends whatever carries the mark of a folder without a launcher.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

RUN_DIR = "DW_RUN_DIR"  # the mark: the environment variable that every process of a run inherits
FOLDERS, LOCK = "dw-", "lock"
YOUNG = 60  # seconds
PR_SET_PDEATHSIG = 1

_prctl = ctypes.CDLL(None).prctl


def die_with_parent() -> None:
    """For `preexec_fn`: ask the kernel to kill this process when the one that started it is gone."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Failed(Exception):
    """Something could not be started or built; the message is for the user, in a line or with the end of a log."""


class Stopped(BaseException):
    """A signal asked us to end. Not an Exception, so that nobody on the way out takes it for an error."""

    def __init__(self, signum: int) -> None:
        self.signum = signum


def raise_on_signals() -> None:
    """Turn Ctrl-C, SIGTERM and SIGHUP into `Stopped`, once: the clean-up that follows is not to be interrupted."""

    def handler(signum: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise Stopped(signum)

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, handler)


def ignore_signals() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)


class Process:
    """A child in a session of its own, so that Ctrl-C reaches only us; with a log file, or on our terminal."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stop_signal: int = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.folder = folder
        self.log = log
        self.environment = environment
        self.stop_signal = stop_signal
        self.popen = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with open(self.log, "ab") if self.log else contextlib.nullcontext() as output:
            return subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=None if self.environment is None else dict(self.environment),
                stdin=subprocess.DEVNULL if output else None,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def start_again(self) -> None:
        """Start the same command once more, after it has ended."""
        self.popen = self._start()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        return self.popen.wait(timeout)

    def finish(self, timeout: float) -> None:
        """Wait for its end. Fails if it ends otherwise than well."""
        try:
            status = self.wait(timeout)
        finally:
            self.stop(timeout=0)
        if status:
            raise Failed(f"{self.name} failed.{self.tail(40)}")

    def kill(self) -> None:
        """End it as a crash would."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end; end its whole session when it does not."""
        if self.running:
            self.popen.send_signal(self.stop_signal)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                _signal_group(self.pid, signal.SIGKILL)
                self.popen.wait()

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait for a service to answer, and say why when it does not."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise Failed(f"{self.name} ended with status {self.popen.returncode}.{self.tail()}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} did not answer within {timeout:.0f} s.{self.tail()}")
            time.sleep(0.02)

    def tail(self, lines: int = 15) -> str:
        """The end of its log, for an error message."""
        if not self.log or not self.log.exists():
            return ""
        return "\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _signal_group(pid: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signum)


def processes_of(run_folder: Path | str) -> list[int]:
    """The processes that carry the mark of this run folder in their environment, ourselves left out."""
    mark = f"{RUN_DIR}={run_folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # gone in the meantime, or somebody else's
            continue
        if mark in variables and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def end_all_of(run_folder: Path | str, timeout: float = 5.0) -> None:
    """Kill what is left of a run; again until nothing is, since a killed worker's child may be forking."""
    deadline = time.monotonic() + timeout
    while (pids := processes_of(run_folder)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def end_leftovers() -> None:
    """End what is left of runs whose launcher was killed, and remove their folders."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < YOUNG:
                continue  # its launcher is about to lock it
            with open(folder / LOCK) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a launcher that lives holds it
                end_all_of(folder.resolve())
                shutil.rmtree(folder, ignore_errors=True)
