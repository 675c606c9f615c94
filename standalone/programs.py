"""Finding the two servers, or installing them where that is ours to do (root on Debian)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .processes import Failed

# Servers are often outside a user's PATH.
PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/bin")
# Each needed program, by any of its names, and Debian's package for it. MariaDB's core packages have the programs and
# no system service: installing them starts nothing and takes no port.
REDIS = {("redis-server", "valkey-server"): "redis-server"}
MARIADB = {
    ("mariadbd", "mysqld"): "mariadb-server-core",
    ("mariadb-install-db", "mysql_install_db"): "mariadb-server-core",
    ("mariadb", "mysql"): "mariadb-client-core",
    ("my_print_defaults",): "mariadb-client-core",  # mariadb-install-db calls it
}
CHROMIUM = {("chromium", "chromium-browser", "google-chrome"): "chromium"}
WITH_A_SITE = ("demo", "test", "coverage", "serve", "run", "bench", "prepare")
WITH_A_BROWSER = ("test", "coverage", "prepare")


def find(*names: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def require(name: str, *others: str) -> str:
    """The path of a program, or one line that says what to install."""
    if found := find(name, *others):
        return found
    raise Failed(f"{name} was not found. Install MariaDB 10.6 or newer and Redis 6 or newer (Debian, Ubuntu: "
                 "apt-get install mariadb-server redis-server), then run this again.")  # fmt: skip


def mariadbd() -> str:
    return require("mariadbd", "mysqld")


def mariadb_version() -> str:
    """For example 11.8.9."""
    output = subprocess.run([mariadbd(), "--no-defaults", "--version"], capture_output=True, text=True).stdout
    words = output.split()
    return words[words.index("Ver") + 1].split("-")[0] if "Ver" in words else "unknown"


def chromium() -> str | None:
    """The browser that the tests drive, if there is one."""
    return next((found for names in CHROMIUM if (found := find(*names))), None)


def provide(command: str, *, has_bench: bool) -> None:
    """Install what a command needs, where we may; else say at once what is missing, before anything is set up."""
    if command not in WITH_A_SITE:
        return
    servers = REDIS if has_bench else REDIS | MARIADB
    needed = servers | (CHROMIUM if command in WITH_A_BROWSER else {})
    missing = sorted({package for names, package in needed.items() if not find(*names)})
    started = time.monotonic()
    if missing and install(missing):
        print(f"Installed {', '.join(missing)} · {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    for names in servers:
        require(*names)
    if command in ("test", "coverage") and not chromium():
        print("Chromium was not found: the tests of pages will fail.", file=sys.stderr, flush=True)


def install(packages: list[str]) -> bool:
    """Install these packages of Debian; False where that is not ours to do."""
    apt = shutil.which("apt-get")
    if not apt or os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return False
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    print(f"Installing {', '.join(packages)} …", file=sys.stderr, flush=True)
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
        done = subprocess.run([apt, *command], env=environment, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.split("E: ")[-1].strip() or "no reason given").splitlines()[0].rstrip(".")
        raise Failed(f"apt-get could not install {' '.join(packages)}: {why}. Install them, then run this again.")
    return True
