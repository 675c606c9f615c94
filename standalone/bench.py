"""`./dev test --bench PATH --site NAME`: the same tests on a genuine bench. Only a Redis is ours there, so that the
bench's own workers see none of it; its Python, its Frappe and its MariaDB are used as they are."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from .launcher import QUEUES, Stage, run_folder, say
from .processes import Failed
from .services import Redis
from .site import ROOT


def bench_commands(python: str, site: str) -> dict[str, list[str]]:
    helper = [python, "-m", "frappe.utils.bench_helper", "frappe"]
    return {
        "DW_WORKER_COMMAND": [*helper, "worker", "--queue", QUEUES],
        "DW_WEB_COMMAND": [*helper, "--site", site, "serve", "--noreload"],
        "DW_SCHEDULER_COMMAND": [*helper, "schedule"],
        "DW_CLI_COMMAND": helper,
    }


def python_of(path: Path, site: str) -> str:
    """The bench's Python, after a look at whether this is a bench with that site and with pytest."""
    python = path / "env" / "bin" / "python"
    if not python.exists():
        raise Failed(f"{path} is not a bench: it has no env/bin/python.")
    if not (path / "sites" / site / "site_config.json").exists():
        raise Failed(f"The bench has no site {site}.")
    if subprocess.run([python, "-c", "import pytest, pytest_timeout, hypothesis"], capture_output=True).returncode:
        raise Failed(f"The tests need three packages: {python} -m pip install pytest pytest-timeout hypothesis")
    return str(python)


@contextlib.contextmanager
def on_bench(path: Path, site: str) -> Iterator[Stage]:
    """A stage on a bench; `stage.environment["DW_PYTHON"]` is the Python to use."""
    python = python_of(path, site)
    with run_folder() as folder:
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("FRAPPE_REDIS", "DW_")) and k != "CI"}
        environment = mine | {
            "DW_MODE": "bench",
            "DW_RUN_DIR": str(folder),
            "DW_SITES_PATH": str(path / "sites"),
            "DW_SITE": site,
            "DW_PYTHON": python,
            "PYTHONPATH": str(ROOT),
            **{name: json.dumps(command) for name, command in bench_commands(python, site).items()},
        }
        started = time.monotonic()
        redis = Redis(folder / "redis", environment)
        stage = None
        try:
            redis.start()
            say(f"Redis on port {redis.port}", started)
            environment |= {
                "DW_REDIS_CONF": str(redis.configuration),
                "FRAPPE_REDIS_QUEUE": redis.queue_url,
                "FRAPPE_REDIS_CACHE": redis.cache_url,
            }
            stage = Stage(environment, redis=redis)
            yield stage
        finally:
            if stage:
                stage.stop()
            redis.stop()
