"""Who is in line: jobs that may be queued as soon as there is room, and how others come to be.

A waiting job waits for its due time, for another job (`waits_for`), or for its turn (`in_line`), so that each question
of sweeper and admission is one range of an index, however many jobs wait for something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any

import frappe
from frappe.query_builder.functions import Count, Min
from pypika import Case
from pypika.terms import Parameter, ValueWrapper

from . import backlog, clock, config, sql, store
from .status import WAITING, JobStatus

IN_LINE, HELD = 1, 2
"""`in_line` of a job that awaits its turn, and of one for which there is no place in the line yet (`quota`)."""
LINE_FIELDS = ("name", "status", "admission_rank")


def rank(due_epoch: float, priority: str) -> float:
    """Place in the line of an organization: the lowest is next."""
    return due_epoch - config.HEAD_START[priority]


def columns(due_epoch: float, priority: str, waits_for: str | None = None) -> dict[str, Any]:
    """The columns of a job that waits from now on."""
    return {
        **clock.due_columns(due_epoch),
        "admission_rank": rank(due_epoch, priority),
        "waits_for": waits_for,
        "in_line": IN_LINE if not waits_for and due_epoch <= clock.now_epoch() else 0,
    }


def due_values(job: Mapping[str, Any], due_epoch: float) -> dict[str, Any]:
    """The columns of a waiting job that is due at another time, as they are if nobody changes it meanwhile."""
    values = columns(due_epoch, job["priority"], job["waits_for"])
    if values["in_line"] and job["in_line"] == HELD:
        values["in_line"] = HELD
    if job["status"] != JobStatus.PENDING:
        values["next_retry_at"] = values["available_at"]
    return values


def set_due(job: Mapping[str, Any], due_epoch: float) -> bool:
    """Give a waiting job another due time; False if its status or attempt is not what the caller saw. Does not commit.

    What it waits for may change at the same moment, so that is read from the row.
    """
    values, row = due_values(job, due_epoch), frappe.qb.DocType(config.JOB)
    del values["waits_for"]
    if due_epoch <= clock.now_epoch():
        in_line = Case().when(row.waits_for.isnotnull(), 0).when(row.in_line == HELD, HELD)
        values["in_line"] = in_line.else_(IN_LINE)
    query = frappe.qb.update(row).set(row.modified, clock.site_time()).set(row.modified_by, frappe.session.user)
    for column, value in values.items():
        query = query.set(row[column], value)
    condition = (row.name == job["name"]) & (row.status == job["status"]) & (row.attempt == job["attempt"])
    return bool(sql.run_update(query.where(condition), by_name=True))


def line_up_due(limit: int) -> int:
    """Let jobs whose time has come line up, the longest due of each state first; returns how many. Does not commit."""
    return sum(line_up([job["name"] for job in backlog.due(status, clock.now_epoch(), limit)]) for status in WAITING)


def line_up(names: Sequence[str], waited_for: str | None = None) -> int:
    """Let jobs that wait for no other one (any more) line up, if their time has come; returns how many.

    `waited_for`: the job that they have waited for. Does not commit.
    """
    names = _free(names, waited_for)
    if not names:
        return 0
    job = frappe.qb.DocType(config.JOB)
    is_due = Case().when(backlog.is_due(job, clock.now_epoch()), 1).else_(0)
    query = frappe.qb.update(job).set(job.in_line, is_due).set(job.waits_for, None).set(job.modified, clock.site_time())
    return sql.run_update(query.where(job.name.isin(names)), store.LOCK_WAIT, by_name=True)


def wait_on(waits_for: Mapping[str, str], waited_for: str) -> int:
    """Let jobs that have waited for one wait for another one, given by the job's name; how many. Does not commit."""
    return set_parents({name: waits_for[name] for name in _free(list(waits_for), waited_for)}, WAITING)


def set_parents(waits_for: Mapping[str, str | None], statuses: Iterable[JobStatus]) -> int:
    """Write down whom jobs in these states wait for from now on, by the jobs' names, in one statement; how many."""
    if not waits_for:
        return 0
    job = frappe.qb.DocType(config.JOB)
    parent = Case()
    for name, waited_for in waits_for.items():
        parent = parent.when(job.name == name, waited_for)
    query = frappe.qb.update(job).set(job.waits_for, parent).set(job.modified, clock.site_time())
    query = query.where(job.name.isin(list(waits_for)) & job.status.isin([str(status) for status in statuses]))
    return sql.run_update(query, store.LOCK_WAIT, by_name=True)


def _free(names: Sequence[str], waited_for: str | None) -> list[str]:
    """Those of the jobs that still wait, for that, and that nobody holds; they are ours until the commit."""
    if not names:
        return []
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).force_index("PRIMARY").select(job.name).for_update(skip_locked=True)
    query = query.where(job.name.isin(list(names)) & (job.in_line == 0))
    query = query.where(job.waits_for == waited_for if waited_for else job.waits_for.isnull())
    query = query.where(job.status.isin([str(status) for status in WAITING]))
    return [row[0] for row in sql.run_locking_read(query)]


def queues() -> list[str]:
    """The queues for which jobs are in line, or held."""
    return sorted({queue for _state, queue in queues_query().run()})


def queues_query():
    # Of a range the server reads the groups' first entries alone; of `DISTINCT queue` for `in_line = 1` it reads all.
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.in_line, job.queue).where(job.in_line >= IN_LINE)
    return query.groupby(job.in_line, job.queue)


def heads() -> list[dict]:
    """Who is in line, and who is held: each queue, organization and type, with the rank of its first job."""
    return heads_query().run(as_dict=True)


def heads_query():
    """Of all queues: asked for one queue, the server would read all of its entries."""
    job = frappe.qb.DocType(config.JOB)
    keys = (job.in_line, job.queue, job.organization, job.job_type)
    query = frappe.qb.from_(job).select(*keys, Min(job.admission_rank).as_("rank"))
    return query.where(job.in_line >= IN_LINE).groupby(*keys)


def line(queue: str, organization: str, job_type: str, limit: int, state: int = IN_LINE) -> list[dict]:
    """The first jobs of an organization and type that are in line, the next first."""
    return line_query(queue, organization, job_type, limit, state).run(as_dict=True)


def lines(queue: str, keys: Sequence[tuple[str, str]], limit: int) -> list[list[dict]]:
    """The same of several organizations and types, in one statement."""
    values = {"queue": queue}
    for place, (organization, job_type) in enumerate(keys):
        values |= {f"organization_{place}": organization, f"job_type_{place}": job_type}
    found: list[list[dict]] = [[] for _key in keys]
    for row in frappe.db.sql(_lines_text(frappe.db.db_type, len(keys), limit), values, as_dict=True):
        found[row.pop("place")].append(row)
    return found


@lru_cache(maxsize=256)
def _lines_text(_db_type: str, number: int, limit: int) -> str:
    """`lines_query` of so many lines, with parameters: making it takes longer than running it."""
    keys = [(_parameter(f"organization_{place}"), _parameter(f"job_type_{place}")) for place in range(number)]
    return lines_query(_parameter("queue"), keys, limit).get_sql()


def _parameter(name: str) -> Parameter:
    return Parameter(f"%({name})s")


def lines_query(queue: Any, keys: Sequence[tuple[Any, Any]], limit: int):
    """With the `place` among `keys` of the line that a job is from."""
    parts = []
    for place, (organization, job_type) in enumerate(keys):
        parts.append(line_query(queue, organization, job_type, limit).select(ValueWrapper(place, alias="place")))
        parts[-1].wrap_set_operation_queries = True  # in parentheses: each has an order and a limit of its own
    if len(parts) == 1:
        return parts[0]
    return frappe.qb.from_(reduce(lambda before, part: before.union_all(part), parts).as_("line")).select("*")


def line_query(queue: Any, organization: Any, job_type: Any, limit: int, state: int = IN_LINE):
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(*(job[field] for field in LINE_FIELDS)).where(job.in_line == state)
    query = query.where((job.queue == queue) & (job.organization == organization) & (job.job_type == job_type))
    query = query.where(job.status.isin([str(status) for status in WAITING]))  # whatever somebody wrote by hand
    return query.orderby(job.admission_rank).limit(limit)


def let_in(queue: str, held: Sequence[Mapping[str, Any]], room: Mapping[str, int]) -> bool:
    """Let as many held jobs of each organization line up as there is room; whether some are left. Does not commit.

    `held`: their heads.
    """
    left = dict(room)
    is_left = False
    for head in sorted(held, key=lambda head: head["rank"]):
        organization = head["organization"]
        jobs = line(queue, organization, head["job_type"], left[organization] + 1, HELD)
        names = [row["name"] for row in jobs[: left[organization]]]
        is_left = is_left or len(jobs) > len(names)
        left[organization] -= len(names)
        if names:
            _set_in_line(names)
    return is_left


def _set_in_line(names: Sequence[str]) -> None:
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.update(job).set(job.in_line, IN_LINE).set(job.modified, clock.site_time())
    query = query.where(job.name.isin(list(names)) & (job.in_line == HELD))
    sql.run_update(query, store.LOCK_WAIT, by_name=True)


def in_service() -> list[dict]:
    """How many jobs are Queued or Running, by queue, organization, type and status: as the rows say, so none leaks."""
    return in_service_query().run(as_dict=True)


def in_service_query():
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.queue, job.organization, job.job_type, job.status, Count("*").as_("number"))
    query = query.where(job.status.isin([str(JobStatus.QUEUED), str(JobStatus.RUNNING)]))
    return query.groupby(job.queue, job.organization, job.job_type, job.status)
