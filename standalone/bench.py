"""`./dev test --bench PATH --site NAME`: the same tests on a genuine bench. Only a Redis is ours there, so that the
bench's own workers see none of it; its Python, its Frappe and its MariaDB are used as they are."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from .bench_check import lacks_of
from .launcher import Stage, commands, run_folder, say
from .processes import Failed
from .services import Redis
from .site import ROOT


def environment_of(path: Path, site: str) -> dict[str, str]:
    """The environment of every process on a bench, after a look at whether this is a bench with that site."""
    python = str(path / "env" / "bin" / "python")
    if not Path(python).exists():
        raise Failed(f"{path} is not a bench: it has no env/bin/python.")
    if not (path / "sites" / site / "site_config.json").exists():
        raise Failed(f"The bench has no site {site}.")
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("FRAPPE_REDIS", "DW_")) and k != "CI"}
    return mine | {
        "DW_MODE": "bench",
        "DW_SITES_PATH": str(path / "sites"),
        "DW_SITE": site,
        "DW_PYTHON": python,
        "PYTHONPATH": str(ROOT),
        **commands([python, "-m", "frappe.utils.bench_helper", "frappe"], site),
    }


@contextlib.contextmanager
def tested_bench(path: Path, site: str, *, desk: bool) -> Iterator[Stage]:
    """A stage for tests. Fails on a bench that they would fail on, with all that it lacks, and while others run."""
    if lacks := lacks_of(environment_of(path, site), desk=desk):
        raise Failed("\n- ".join([f"The tests{' of Desk' * desk} can't run on {site} of {path}. It lacks:", *lacks]))
    with open(path / "sites" / site / "locks" / "dartwing_core_tests", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"Other tests are running on {site}: wait for their end, or use another site.") from None
        with on_bench(path, site) as stage:
            stage.environment["DW_DESK"] = "1" if desk else ""
            yield stage


@contextlib.contextmanager
def on_bench(path: Path, site: str) -> Iterator[Stage]:
    """A stage on a bench; `stage.environment["DW_PYTHON"]` is the Python to use."""
    environment = environment_of(path, site)
    with run_folder() as folder, contextlib.ExitStack() as stack:
        environment |= {"DW_RUN_DIR": str(folder)}
        redis = Redis(folder / "redis", environment)
        stack.callback(redis.stop)
        redis.start()
        say(f"Redis on port {redis.port}")
        stage = Stage(environment | redis.variables())
        stack.callback(stage.stop)
        yield stage
