"""Finding the two servers, or installing them where that is ours to do (root on Debian)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .processes import Failed

# Servers are often outside a user's PATH.
PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/bin")
# What is needed, by any of its names, and Debian's package for it. MariaDB's core packages are the programs without a
# system service: installing them starts nothing and takes no port.
NEEDED = {
    ("mariadbd", "mysqld"): "mariadb-server-core",
    ("mariadb-install-db", "mysql_install_db"): "mariadb-server-core",
    ("my_print_defaults",): "mariadb-client-core",  # mariadb-install-db calls it
    ("redis-server", "valkey-server"): "redis-server",
}
NEEDED_BY_TESTS = {("chromium", "chromium-browser", "google-chrome"): "chromium"}


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


def mariadb_install_db() -> str:
    return require("mariadb-install-db", "mysql_install_db")


def redis_server() -> str:
    return require("redis-server", "valkey-server")


def mariadb_version() -> str:
    """For example 11.8.9."""
    output = subprocess.run([mariadbd(), "--no-defaults", "--version"], capture_output=True, text=True).stdout
    words = output.split()
    return words[words.index("Ver") + 1].split("-")[0] if "Ver" in words else "unknown"


def chromium() -> str | None:
    """The browser that the tests drive, if there is one."""
    return next((found for names in NEEDED_BY_TESTS if (found := find(*names))), None)


def install_missing(*, for_tests: bool = False) -> list[str]:
    """Install what is missing, where we may; the names of the packages that were installed."""
    needed = NEEDED | (NEEDED_BY_TESTS if for_tests else {})
    packages = sorted({package for names, package in needed.items() if not find(*names)})
    apt = shutil.which("apt-get")
    if not packages or not apt or os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return []
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = [apt, "install", "-y", "-q", "--no-install-recommends", *packages]
    for command in ([apt, "update", "-q"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"apt-get could not install {' '.join(packages)}:\n{done.stderr[-500:]}")
    return packages
