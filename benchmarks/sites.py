"""What the watch over many sites costs while they are idle, and how late a job starts that is due on one of them.

The sites are copies of the one under test, each with a database of its own, and no job starts on another. Two workers
and `bench schedule` serve them. Processor time is that of those processes, MariaDB and Redis, in five minutes: first
with the app on all sites, then on none but one. Other numbers than 200 sites and 300 seconds are the arguments. Needs
a genuine bench, and MariaDB's `root_password` in its configuration.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import frappe
import psutil
import pymysql

from benchmarks import _report, _site
from dartwing_core.jobs import submit_job
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.rq import due_sites
from tests.support import layouts, processes
from tests.support.processes import Process, Sites
from tests.support.waiting import until

SITES, JOBS, SECONDS = 200, 40, 300
FIRST, SPREAD = 5.0, 60.0
"""Seconds until the first job is due, and in which all are."""
CORE_TARGET, DUE_TARGET = 5.0, 5.0
PREFIX = "dw_copy_"
JOB_TYPE = "benchmark_sites"
COPY = "CREATE TABLE `{0}`.`{1}` LIKE `{2}`.`{1}`", "INSERT INTO `{0}`.`{1}` SELECT * FROM `{2}`.`{1}`"
STARTED = "SELECT due_epoch, started_at FROM `tabBackground Job` WHERE job_type = %s AND status = 'Completed'"
WITHOUT_APP = "UPDATE `{}`.tabDefaultValue SET defvalue = '[\"frappe\"]' WHERE defkey = 'installed_apps'"


@contextmanager
def server() -> Iterator[Any]:
    """A cursor of the database server's root user."""
    where = {"host": frappe.conf.db_host, "port": int(frappe.conf.db_port), "user": "root", "autocommit": True}
    with closing(pymysql.connect(**where, password=frappe.conf.root_password or "")) as connection:
        yield connection.cursor()


@contextmanager
def copies(number: int, cursor: Any) -> Iterator[list[str]]:
    """The databases of so many copies of this site, which are dropped in the end."""
    names = [f"{PREFIX}{n}" for n in range(number)]
    cursor.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        [frappe.conf.db_name],
    )
    tables = [table for (table,) in cursor.fetchall()]
    cursor.execute("SELECT @@innodb_flush_log_at_trx_commit")
    durability = cursor.fetchone()[0]
    cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
    cursor.execute("SET foreign_key_checks = 0, unique_checks = 0")
    filled = []
    for table in tables:
        cursor.execute(f"SELECT 1 FROM `{frappe.conf.db_name}`.`{table}` LIMIT 1")
        filled += [table] if cursor.fetchall() else []
    try:
        for name in names:
            cursor.execute(f"CREATE DATABASE {name}")
            cursor.execute(f"GRANT ALL ON {name}.* TO {name}@'%%' IDENTIFIED BY %s", [frappe.conf.db_password])
            for statement, some in zip(COPY, (tables, filled), strict=True):
                for table in some:
                    cursor.execute(statement.format(name, table, frappe.conf.db_name))
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = %s", [durability])
        yield names
    finally:
        for name in names:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"DROP USER IF EXISTS {name}@'%%'", [])


def cost(started: Sequence[Process], cursor: Any, seconds: int) -> dict[str, float]:
    """Per cent of a core that the processes of a bench, MariaDB and Redis take while nobody does anything."""
    cursor.execute("SELECT @@pid_file")
    database = int(Path(cursor.fetchone()[0]).read_text())
    redis: Any = processes.queue_client().info("server")
    pids = {
        "processes": [process.pid for process in started],
        "MariaDB": [database],
        "Redis": [int(redis["process_id"])],
    }
    watched = {name: [psutil.Process(pid) for pid in some] for name, some in pids.items()}

    def spent() -> dict[str, float]:
        return {name: sum(sum(process.cpu_times()[:4]) for process in some) for name, some in watched.items()}

    before, began = spent(), time.monotonic()
    time.sleep(seconds)
    took, after = time.monotonic() - began, spent()
    return {name: 100 * (after[name] - before[name]) / took for name in after}


@contextmanager
def connected(site: str, sites: Sites) -> Iterator[None]:
    frappe.destroy()
    os.chdir(sites.path)
    frappe.init(site, sites_path=str(sites.path))
    frappe.connect()
    try:
        yield
    finally:
        frappe.destroy()


def lateness(names: Sequence[str], sites: Sites, dice: random.Random) -> list[float]:
    """Seconds from the due times of JOBS jobs, each on a random site, to their starts."""
    chosen = dice.sample(names, min(JOBS, len(names)))
    for site in chosen:
        with connected(site, sites):
            submit_job(f"test_{JOB_TYPE}", _site.ORGANIZATION, available_at=FIRST + dice.uniform(0, SPREAD))
            frappe.db.commit()
    found = []
    for site in chosen:
        with connected(site, sites):
            rows = until(lambda: frappe.db.rollback() or frappe.db.sql(STARTED, f"test_{JOB_TYPE}"), 120, "the job")
            found += [clock.to_epoch(started) - due for due, started in rows]
    return found


def listed() -> int:
    due: Any = due_sites.of_bench()
    return due.client.zcard(due.key)


def run(number: int = SITES, seconds: int = SECONDS) -> _report.Report:
    report = _report.Report(f"sites: the watch over {number} sites")
    if os.environ["DW_MODE"] == "standalone":
        report.add("all of it", None, why="its workers know one site; needs a genuine bench")
        return report
    seed = random.randrange(10**6)
    with _site.site():
        _site.job_type(JOB_TYPE, "nothing")
        sites = Sites(Path(os.environ["DW_RUN_DIR"]) / f"bench-{os.urandom(4).hex()}")
        sites.configure_all(job_engine="on")
        with server() as cursor, copies(number, cursor) as names:
            for name in names:
                sites.add(name, db_name=name, db_user=name)
            try:
                with layouts.running(layouts.LAYOUTS["A: workers, bench schedule"], sites) as started:
                    until(lambda: listed() > number, 120, "all sites")
                    time.sleep(due_sites.ANYWAY)
                    with_app = cost(started, cursor, seconds)
                    late = lateness(names, sites, random.Random(seed))
                    for name in names:
                        cursor.execute(WITHOUT_APP.format(name))
                        with connected(name, sites):
                            frappe.clear_cache()
                    time.sleep(due_sites.ANYWAY)
                    without = cost(started, cursor, seconds)
            finally:
                _site.connect()
    rows = [
        [f"the app on {many}", *found.values(), sum(found.values())]
        for many, found in ((f"{number} sites", with_app), ("one of them", without))
    ]
    report.table([f"% of a core, idle, {seconds} s", *with_app, "in all"], rows)
    report.table([f"s late, {len(late)} jobs, seed {seed}", "p50", "p95", "max"], [["", *_report.spread(late)]])
    report.add("idle, in all", sum(with_app.values()), CORE_TARGET, " % of a core")
    report.add("idle without the app, in all", sum(without.values()), unit=" % of a core")
    report.add("due job: p95", _report.percentile(late, 95), DUE_TARGET, " s")
    return report


if __name__ == "__main__":
    _report.main(run)
