"""Finds the things that a genuine bench lacks for the tests.

`lacks_of` is for `./dev`. It runs this file in the bench's Python (3.10 and later), which looks at bench and site.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

APP = "dartwing_core"
ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pytest", "pytest-timeout", "hypothesis", "playwright", "axe-playwright-python")
MARK = "lacks: "
"""The beginning of this file's last line."""


def lacks_of(environment: dict[str, str], *, desk: bool) -> list[str]:
    """The things that the bench of this environment lacks, each with a remedy; nothing if the tests can begin."""
    command = [environment["DW_PYTHON"], "-m", "standalone.bench_check", "desk" if desk else ""]
    folder = environment["DW_SITES_PATH"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    last = (done.stdout.splitlines() or [""])[-1]
    if done.returncode or not last.startswith(MARK):
        return [f"Its Python can't look at the site: {(done.stderr.strip().splitlines() or ['no word of why'])[-1]}"]
    return json.loads(last.removeprefix(MARK))


def lacks(site: str, sites: Path, *, desk: bool) -> Iterator[str]:
    if missing := [name for name in PACKAGES if not importlib.util.find_spec(name.replace("-", "_"))]:
        yield f"Packages: {sys.executable} -m pip install {' '.join(missing)}"
    import frappe

    frappe.init(site, sites_path=str(sites))
    frappe.connect()
    if APP not in frappe.get_installed_apps():
        yield f"The app: bench --site {site} install-app {APP}"
    elif changed := unmigrated():
        yield f"A migration to this code ({', '.join(changed)}): bench --site {site} migrate, with apps/{APP} at {ROOT}"
    if desk and not is_set_up():
        yield "The setup wizard: log in to Desk as Administrator and finish it, or Desk shows nothing else"
    yield from rest(sites)
    frappe.destroy()
    if desk and (sites.parent / "apps" / APP).resolve() != ROOT:
        yield f"This code as its app: apps/{APP} is not {ROOT}; after that bench build"


def unmigrated() -> list[str]:
    """The DocTypes of this code that the site has otherwise, by the hash that Frappe keeps of each file."""
    import frappe
    from frappe.modules.import_file import calculate_hash

    known = dict(frappe.get_all("DocType", fields=["name", "migration_hash"], as_list=True))
    files = sorted((ROOT / APP / APP / "doctype").glob("*/*.json"))
    names = {file: json.loads(file.read_text()).get("name") for file in files}
    return [name for file, name in names.items() if name and known.get(name) != calculate_hash(str(file))]


def is_set_up() -> bool:
    import frappe

    ask = getattr(frappe, "is_setup_complete", None)  # Frappe 16
    return bool(ask() if ask else frappe.db.get_single_value("System Settings", "setup_complete"))


def rest(sites: Path) -> Iterator[str]:
    """Whether workers of the bench itself would run the tests' jobs, or sweep the site meanwhile."""
    import redis

    url = json.loads((sites / "common_site_config.json").read_text()).get("redis_queue")
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) if url else None
        are_there = client and client.scard("rq:workers")
    except redis.RedisError:
        return  # without it they do nothing
    if are_there:
        yield "Rest: its own workers run, and would take the tests' jobs: stop them (bench stop)"


if __name__ == "__main__":
    found = list(lacks(os.environ["DW_SITE"], Path(os.environ["DW_SITES_PATH"]), desk="desk" in sys.argv))
    print(MARK + json.dumps(found))
