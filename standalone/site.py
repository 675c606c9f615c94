"""The site: its folder, its configuration, and how it comes to be (restored from the cache, or built and kept there).

Two entries are kept: the bare framework ("core", the long part), and on top of it the app ("site"), so that a changed
DocType costs one installation of the app and not of everything.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from . import cache, programs
from .processes import Failed, Process
from .services import MariaDB, Redis

ROOT = Path(__file__).resolve().parent.parent
APP = "dartwing_core"
NAME = "dartwing.localhost"
DATABASE = "dartwing"
ADMIN_PASSWORD = "admin"
CLI = [sys.executable, "-P", "-m", "standalone.cli"]
"""What `bench` is on a bench."""

# No bundle was built: the wheel has no sources for them. Pages ask for these, and get small ones of ours.
BUNDLES = {
    "website.bundle.css": "/assets/standalone/website.css",
    "login.bundle.css": "/assets/standalone/website.css",
    "monoframe-web.bundle.js": "/assets/standalone/website.js",
}
SITE_FOLDERS = ("logs", "locks", "public/files", "private/files", "private/backups")


class Bench:
    """A folder laid out like a bench (`sites`, `logs`, `config`), with its two servers."""

    def __init__(
        self,
        folder: Path,
        *,
        isolation: bool = False,
        durable: bool = False,
        tick: int = 60,
        handlers: Sequence[str] = (),
        path: Path | None = None,
        app: Path | None = None,
    ) -> None:
        self.folder = folder
        self.sites = folder / "sites"
        self.tick = tick
        self.handlers = handlers
        self.app = package_of(app) if app else None
        self.path = os.pathsep.join([str(ROOT), *(str(one) for one in (path, app) if one)])
        self.age = 0
        """Seconds since the site was built, when it came from the cache."""
        environment = self.environment()
        self.mariadb = MariaDB(folder / "mariadb", isolation, durable, environment)
        self.redis = Redis(folder / "redis", environment)
        self.parts = {"data": self.mariadb.data, "site": self.sites / NAME}
        """The parts of an entry of the cache."""

    def environment(self) -> dict[str, str]:
        """The environment of every process of the run: whatever marks other sites or other tools is left out."""
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("FRAPPE_", "MONOFRAME_", "DW_")) and k != "CI"}
        return mine | {
            "DW_MODE": "standalone",
            "DW_RUN_DIR": str(self.folder),
            "DW_SITES_PATH": str(self.sites),
            "DW_SITE": NAME,
            "PYTHONPATH": self.path,
        }

    def write_configuration(self) -> None:
        """The common configuration; it names this run's ports, so it is written at every start."""
        for name in ("logs", "config", "sites/assets", *(f"sites/{NAME}/{part}" for part in SITE_FOLDERS)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.sites / "apps.txt").write_text("".join(f"{app}\n" for app in ("frappe", APP, self.app) if app))
        (self.sites / "assets" / "assets.json").write_text(json.dumps(BUNDLES))
        common = {
            "db_host": "127.0.0.1",
            "db_port": self.mariadb.port,
            "redis_queue": self.redis.url(0),
            "redis_cache": self.redis.url(1),
            "use_mysqlclient": 0,
            "default_site": NAME,
            "serve_default_site": True,
            "developer_mode": int(bool(self.handlers or self.app)),
            "background_job_handlers": list(self.handlers),
            "scheduler_tick_interval": self.tick,
        }
        (self.sites / "common_site_config.json").write_text(json.dumps(common, indent=1))

    def create_site(self) -> None:
        """An empty data folder, the site's configuration, and its empty database; both servers run then."""
        self.mariadb.create()
        self.write_configuration()
        password = secrets.token_urlsafe(16)
        config = {
            "db_name": DATABASE,
            "db_user": DATABASE,
            "db_type": "mariadb",
            "db_password": password,
            "admin_password": ADMIN_PASSWORD,
            "allow_tests": 1,
        }
        path = self.sites / NAME / "site_config.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1))
        self.start()
        self.mariadb.sql(
            f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
            f"CREATE USER {DATABASE}@'127.0.0.1' IDENTIFIED BY '{password}'",
            f"GRANT ALL PRIVILEGES ON {DATABASE}.* TO {DATABASE}@'127.0.0.1'",
        )

    def start(self) -> None:
        """Start both servers, then write down where they are."""
        self.mariadb.start()
        self.redis.start()
        self.write_configuration()
        if self.age:  # let scheduled jobs be as old as on a site just built, or the first tick starts every daily job
            later, table = f"+ INTERVAL {self.age} SECOND", f"{DATABASE}.`tabScheduled Job Type`"
            self.mariadb.sql(f"UPDATE {table} SET creation = creation {later}, last_execution = last_execution {later}")

    def stop(self) -> None:
        """Shut both down in good order, so that the data folder can be copied."""
        self.redis.stop()
        self.mariadb.stop()

    def end(self) -> None:
        """Kill both: the folder goes with the run, and a MariaDB that is still starting does not hear a SIGTERM."""
        self.redis.kill()
        self.mariadb.kill()

    def install(self, *command: str) -> None:
        """Run one step of the installation to its end."""
        log = self.folder / "logs" / f"{command[0]}.log"
        process = Process(
            " ".join(command), [*CLI, *command], folder=self.sites, log=log, environment=self.environment()
        )
        process.finish(600)


def package_of(app: Path) -> str:
    """The name of the Frappe app in this folder: that of the package with its hooks."""
    packages = [hooks.parent.name for hooks in app.glob("*/hooks.py")]
    if len(packages) != 1:
        raise Failed(f"{app} is no folder of a Frappe app: it needs one package with a hooks.py.")
    return packages[0]


def core_key() -> str:
    own = ROOT / "standalone"
    files = [own / name for name in ("cli.py", "services.py", "site.py", "requirements.txt", "build.txt")]
    return cache.digest([programs.mariadb_version(), sys.version, *files, *sorted((own / "alias").glob("*.py"))])


def site_key() -> str:
    """Changes with everything that installing the app reads: DocTypes and their controllers, hooks, installers."""
    app = ROOT / APP
    patterns = ("**/*.json", f"{APP}/**/*.py", "*.py", "*.txt", "patches/**/*.py", "fixtures/*")
    names = sorted({path for pattern in patterns for path in app.glob(pattern) if path.is_file()})
    return cache.digest([core_key(), *(str(path.relative_to(app)) for path in names), *names])


def prepare(bench: Bench, *, fresh: bool = False) -> str:
    """Put an installed site into the bench, its servers stopped; how that was done, in a few words."""
    plain = Bench(bench.folder)  # nobody's own handlers belong into the cache
    if fresh:
        build_core(plain)
        build_app(plain)
        return "built anew"
    key = site_key()
    if restore(bench, key):
        return "from the cache"
    with cache.locked(f"build-{core_key()}", waiting="Waiting for another ./dev to build the site …"):
        if restore(bench, key):  # somebody else has just built it
            return "from the cache"
        has_core = cache.restore("core", core_key(), bench.parts)
        if not has_core:
            build_core(plain)
            cache.save("core", core_key(), bench.parts)
        build_app(plain)
        cache.save("site", key, bench.parts)
    return "app installed" if has_core else "built"


def restore(bench: Bench, key: str) -> bool:
    """Restore a site from the cache, if it is there."""
    is_there = cache.restore("site", key, bench.parts)
    bench.age = cache.age("site", key) if is_there else 0
    return is_there


def build_core(bench: Bench) -> None:
    bench.create_site()
    bench.install("new-site")
    bench.stop()


def build_app(bench: Bench) -> None:
    bench.start()
    bench.install("install-app", APP)
    bench.stop()
