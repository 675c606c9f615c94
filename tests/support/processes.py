"""Real processes of the site under test: workers, the web app, Redis. The launcher says how to start them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import psutil
import redis
from frappe.utils import get_bench_id

from standalone import processes
from standalone.services import free_port

from .waiting import until

__all__ = ["free_port"]
_restarted: list[Process] = []


class Process(processes.Process):
    """A child in a session of its own, with its output in a log file."""

    def __init__(self, name: str, command: Sequence[str], cwd: Path | None = None):
        logs = Path(os.environ["DW_RUN_DIR"]) / "tests"
        logs.mkdir(exist_ok=True)
        log = logs / f"{name}-{os.getpid()}-{len(list(logs.iterdir()))}.log"
        super().__init__(name, command, folder=cwd or Path(os.environ["DW_SITES_PATH"]), log=log)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.popen.send_signal(number)

    def stop(self, timeout: float = 5.0) -> None:
        """End it, softly at first. Its work-horses have process groups of their own, and end with it or by SIGKILL.

        What a killed one has left of its group ends, too: the workers of a pool would work for other tests.
        """
        super().stop(timeout)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def stop_all(processes: Sequence[Process]) -> None:
    """End these: all are asked first, then waited for."""
    for process in processes:
        if process.running:
            process.signal(signal.SIGTERM)
    for process in processes:
        process.stop()


def _command(variable: str, *more: str) -> list[str]:
    return [*json.loads(os.environ[variable]), *more]


def queue_client() -> redis.Redis:
    """A client of the Redis that holds the queues."""
    return redis.Redis.from_url(os.environ["FRAPPE_REDIS_QUEUE"], socket_timeout=2)


def _workers(client: redis.Redis) -> set[bytes]:
    return cast("set[bytes]", client.smembers("rq:workers"))


def start_worker(queues: str | None = None) -> Process:
    """A genuine Frappe worker for these queues, all by default; returns when it listens."""
    return start_workers(1, queues)[0]


def start_workers(
    number: int, queues: str | None = None, sites: Sites | None = None, through: str = ""
) -> list[Process]:
    """So many genuine Frappe workers, of the bench or for these sites; returns when all listen. `through`: as below."""
    command = _through(through, _command("DW_WORKER_COMMAND", *(["--queue", queues] if queues else [])))
    with listening(number):
        return [_process("worker", command, sites) for _number in range(number)]


def start_pool(number: int, sites: Sites, through: str = "", **variables: str) -> Process:
    """Frappe's pool of so many workers for these sites; returns when they listen.

    `through`: code that the process runs before anything else.
    """
    command = _through(through, _command("DW_POOL_COMMAND", str(number)))
    with listening(number):
        return _process("pool", command, sites, **variables)


def _through(code: str, command: list[str]) -> list[str]:
    if not code:
        return command
    at = command.index("-m")
    run = "import runpy, sys; del sys.argv[0]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
    return [*command[:at], "-c", f"{code}; {run}", *command[at + 1 :]]


@contextmanager
def listening(number: int) -> Iterator[None]:
    """Wait until so many workers more listen."""
    client = queue_client()
    known = _workers(client)  # not their number: another may be leaving right now
    yield
    until(lambda: len(_workers(client) - known) >= number, 60, "the workers")


class Crew:
    """Two workers for all tests that ask for some. They start with the first such test; all such tests run last."""

    def __init__(self) -> None:
        self.workers: list[Process] = []

    def call(self) -> list[Process]:
        """The workers, which a test may use."""
        self.workers = self.workers or start_workers(2)
        return self.workers

    def rest(self) -> None:
        """After a test: end them if one has ended, or goes on with what the test has left."""
        try:
            until(lambda: all(_is_idle(worker) for worker in self.workers), 2)
        except AssertionError:
            self.end()

    def end(self) -> None:
        """End them."""
        stop_all(self.workers)
        self.workers = []


crew = Crew()


def _is_idle(worker: Process) -> bool:
    return worker.running and not psutil.Process(worker.pid).children()


def empty_queues() -> None:
    """Take everything out of the Redis of the queues, but for the registrations of the crew."""
    client = queue_client()
    if not crew.workers:
        client.flushdb()
    elif keys := [key for key in client.scan_iter() if not key.startswith(b"rq:worker")]:
        client.delete(*keys)


def start_web() -> tuple[Process, str]:
    """The web app on a free port: the process and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = Process("web", _command("DW_WEB_COMMAND", "--port", str(port)))
    process.wait_until(lambda: _answers(url), 60)
    return process, url


@contextmanager
def web_app() -> Iterator[str]:
    """The address of the web app, which runs until the end of the context."""
    process, url = start_web()
    try:
        yield url
    finally:
        process.stop()


def start_realtime(port: int) -> Process:
    """Frappe's socket.io server, which a bench has; returns when it listens."""
    script = Path(os.environ["DW_SITES_PATH"]).parent / "apps" / "frappe" / "socketio.js"
    settings = [f"FRAPPE_SOCKETIO_PORT={port}", f"FRAPPE_SITE={os.environ['DW_SITE']}"]
    process = Process("realtime", ["env", *settings, "node", str(script)])
    process.wait_until(lambda: _listens(port), 30)
    return process


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop_redis() -> None:
    """Shut down the queue's Redis; what it held is gone."""
    client = queue_client()
    try:
        client.shutdown(nosave=True)
    except redis.exceptions.ConnectionError:
        pass
    until(lambda: not redis_answers(), 10, "the end of Redis")


def start_redis() -> None:
    """Start the queue's Redis again; it serves until the end of the run, when `stop_restarted` ends it."""
    start_again("redis", ["redis-server", os.environ["DW_REDIS_CONF"]])
    until(redis_answers, 10, "Redis")


def start_again(name: str, command: Sequence[str]) -> None:
    """Start a server in place of the launcher's, which a test has ended; it serves until the end of the run."""
    _restarted.append(Process(name, command))


def stop_restarted() -> None:
    """End what was started in place of the launcher's."""
    while _restarted:
        _restarted.pop().stop()


def redis_answers() -> bool:
    """Whether the queue's Redis answers."""
    try:
        return bool(queue_client().ping())
    except redis.exceptions.RedisError:
        return False


def _answers(url: str) -> bool:
    request = urllib.request.Request(f"{url}/api/method/ping", headers={"Host": os.environ["DW_SITE"]})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def run_command(*arguments: str) -> str:
    """What a command of bench for the site under test prints. Raises CalledProcessError if it fails."""
    command = _command("DW_CLI_COMMAND", "--site", os.environ["DW_SITE"], *arguments)
    return subprocess.run(command, cwd=os.environ["DW_SITES_PATH"], check=True, capture_output=True, text=True).stdout


def start_agent() -> Process:
    """`job-engine agent`, which rings each second for sites that are due."""
    return Process("agent", _command("DW_CLI_COMMAND", "job-engine", "agent"))


class Sites:
    """A `sites` folder with the site under test alone: a bench may have others, which are nobody's business here."""

    def __init__(self, folder: Path):
        self.path = folder / "sites"
        self._real = Path(os.environ["DW_SITES_PATH"])
        (folder / "logs").mkdir(parents=True)
        (folder / "config").mkdir()
        self.path.mkdir()
        for name in ("apps.txt", "apps.json", "assets"):
            if (self._real / name).exists():
                (self.path / name).symlink_to(self._real / name)
        # The id names the queues. Frappe's own loop does nothing while a test waits.
        self.configure_all(bench_id=get_bench_id(), scheduler_tick_interval=3_600)
        self.add(os.environ["DW_SITE"])

    def add(self, name: str, **settings: Any) -> None:
        """The site, with these changes to its configuration. Frappe takes a folder for one, but no link."""
        folder = self.path / name
        folder.mkdir()
        for entry in (self._real / os.environ["DW_SITE"]).iterdir():
            if entry.name != "site_config.json":
                (folder / entry.name).symlink_to(entry)
        self.configure(name, **settings)

    def configure(self, name: str, **settings: Any) -> None:
        """Change the configuration as those see it whose folder this is; without `settings` it is the site's own."""
        config, new = self.path / name / "site_config.json", self.path / name / "new.json"
        real = json.loads((self._real / os.environ["DW_SITE"] / "site_config.json").read_text())
        new.write_text(json.dumps(real | settings))
        new.rename(config)

    def configure_all(self, **settings: Any) -> None:
        """Change the configuration that all sites have in common, likewise."""
        config = self.path / "common_site_config.json"
        source = config if config.exists() else self._real / config.name
        config.write_text(json.dumps((json.loads(source.read_text()) if source.exists() else {}) | settings))

    def remove(self, name: str) -> None:
        """Remove a site from the folder."""
        shutil.rmtree(self.path / name)


def start_scheduler(sites: Sites) -> Process:
    """`bench schedule` for these sites."""
    return _process("scheduler", _command("DW_SCHEDULER_COMMAND"), sites)


def _process(name: str, command: list[str], sites: Sites | None, **variables: str) -> Process:
    if not sites:
        return Process(name, command)
    settings = {"FRAPPE_BENCH_ROOT": str(sites.path.parent), "DW_SITES_PATH": str(sites.path), **variables}
    return Process(name, ["env", *(f"{key}={value}" for key, value in settings.items()), *command], cwd=sites.path)
