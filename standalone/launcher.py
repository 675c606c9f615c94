"""A running site as a Python object: what `./dev run`, the demo and the benchmarks stand on.

    with running(workers=2, scheduler=True) as stage:
        ...

Everything started through a stage ends with it. `attach()` gives a process started by `./dev run` the same handle.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import programs
from .processes import FOLDERS, LOCK, Process, end_all_of, end_leftovers
from .services import free_port
from .site import CLI, NAME, Bench, prepare

QUEUES = "short,default,long"


def say(text: str, since: float | None = None) -> None:
    """One line a step, on stderr, so that the output of what is run stays alone on stdout."""
    took = f" · {time.monotonic() - since:.1f} s" if since is not None else ""
    print(f"{text}{took}", file=sys.stderr, flush=True)


def commands(cli: list[str], site: str) -> dict[str, str]:
    """How to start one process of each kind, as variables. The folder it runs in is the sites folder."""
    named = {
        "WORKER": ["worker", "--queue", QUEUES],
        "POOL": ["worker-pool", "--queue", QUEUES, "--num-workers"],
        "WEB": ["--site", site, "serve", "--noreload"],
        "SCHEDULER": ["schedule"],
        "CLI": [],
    }
    return {f"DW_{name}_COMMAND": json.dumps([*cli, *arguments]) for name, arguments in named.items()}


class Stage:
    """A site whose servers run, described by the environment that its processes get."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.site = environment["DW_SITE"]
        self.sites_path = Path(environment["DW_SITES_PATH"])
        self.folder = Path(environment["DW_RUN_DIR"])
        self.url = environment.get("DW_URL")
        self.processes: list[Process] = []

    def start(self, name: str, command: list[str]) -> Process:
        """Start any process in the sites folder, its log in the run's folder, to be ended with the stage."""
        number = sum(p.name.startswith(name) for p in self.processes) + 1
        log = self.folder / "logs" / f"{name}-{os.getpid()}-{number}.log"
        log.parent.mkdir(exist_ok=True)
        process = Process(f"{name} {number}", command, folder=self.sites_path, log=log, environment=self.environment)
        self.processes.append(process)
        return process

    def _command(self, name: str) -> list[str]:
        return json.loads(self.environment[name])

    def start_worker(self) -> Process:
        return self.start("worker", self._command("DW_WORKER_COMMAND"))

    def run_command(self, *arguments: str) -> None:
        """Run a command such as `migrate` to its end, as `bench --site … COMMAND` does."""
        process = self.start(arguments[0], [*self._command("DW_CLI_COMMAND"), *arguments])
        process.finish(600)
        self.processes.remove(process)

    def wait_for_workers(self, number: int, timeout: float = 30.0) -> None:
        """Wait until so many workers listen; they import for a second first."""
        import redis

        workers = [process for process in self.processes if process.name.startswith("worker")]
        with redis.Redis.from_url(self.environment["FRAPPE_REDIS_QUEUE"]) as queue:
            for process in workers[:1]:
                process.wait_until(lambda: queue.scard("rq:workers") >= number, timeout)

    def start_web(self, port: int | None = None, timeout: float = 30.0) -> Process:
        """Start the web application, wait until it answers, and set `url`."""
        self.url = self.environment["DW_URL"] = f"http://127.0.0.1:{port or free_port()}"
        command = [*self._command("DW_WEB_COMMAND"), "--port", self.url.rpartition(":")[2]]
        process = self.start("web", command)
        process.wait_until(self.answers, timeout)
        return process

    def answers(self) -> bool:
        """Whether the web application answers."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/api/method/ping", timeout=5) as response:
            return response.status == 200
        return False

    def stop(self) -> None:
        """End what was started here: all are asked first, then waited for together."""
        deadline = time.monotonic() + 3.0
        for process in self.processes:
            if process.running:
                process.popen.send_signal(process.stop_signal)
        for process in self.processes:
            process.stop(timeout=max(0.0, deadline - time.monotonic()))

    def restart(self) -> None:
        """End all processes and start them again, so that they import changed code."""
        self.stop()
        for process in self.processes:
            process.start_again()
            if process.name.startswith("web"):
                process.wait_until(self.answers, 30.0)


def attach() -> Stage:
    """The stage of the run that started this process."""
    return Stage({k: v for k, v in os.environ.items() if k != "CI"})


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """A folder for one run, which goes with it; DW_KEEP=1 keeps it and says where it is."""
    end_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=FOLDERS)).resolve()
    with open(folder / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held while we live: folders without it are leftovers
        try:
            yield folder
        finally:
            end_all_of(folder)
            if os.environ.get("DW_KEEP") == "1":
                (folder / LOCK).unlink()
                say(f"Kept {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(
    workers: int = 2,
    web: bool = False,
    scheduler: bool = True,
    fresh: bool = False,
    port: int | None = None,
    **options: Any,
) -> Iterator[Stage]:
    """A site with its processes. `fresh` builds the site anew. Other options are those of `site.Bench`: `isolation` is
    MariaDB's innodb_snapshot_isolation, `durable` makes MariaDB wait for the disk, `tick` is the scheduler's, in
    seconds. `handlers`: modules with job handlers beside the app's, which are also looked for in the folder `path`.
    `app`: the folder of another Frappe app, which is installed too."""
    with run_folder() as folder, contextlib.ExitStack() as stack:
        bench = Bench(folder, **options)
        stack.callback(bench.end)
        started = time.monotonic()
        say(f"Site {prepare(bench, fresh=fresh)}", started)
        started = time.monotonic()
        bench.start()
        say(f"MariaDB {programs.mariadb_version()} on port {bench.mariadb.port}, Redis on {bench.redis.port}", started)
        environment = bench.environment() | commands(CLI, NAME) | bench.redis.variables()
        environment["DW_MARIADB_COMMAND"] = json.dumps(bench.mariadb.command())
        stage = Stage(environment)
        stack.callback(stage.stop)
        started = time.monotonic()
        if bench.app:
            stage.run_command("install-app", bench.app)
            say(f"{bench.app} installed", started)
        for _ in range(workers):
            stage.start_worker()
        if scheduler:
            stage.start("scheduler", json.loads(stage.environment["DW_SCHEDULER_COMMAND"]))
        if web:
            stage.start_web(port)
        stage.wait_for_workers(workers)
        if workers or web:
            names = [f"{workers} workers"] * bool(workers) + ["scheduler"] * scheduler + ["web"] * web
            say(f"{', '.join(names)} started", started)
        yield stage
