"""Why a job is not running yet, in words for people: one place for REST, Desk and the job center.

Such as "Waits for JOB-1K11….", "Retries at 14:05 (in 3 min), attempt 3 of 5.". They name no other organization.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

import frappe
from frappe import _
from frappe.utils import formatdate, get_system_timezone

from ..access import tenancy
from ..access.standing import STOPPED_STATES, Limits
from ..job import circuits, find
from ..lib import clock, config
from ..lib.rows import JobRow
from ..line import queue_view
from ..rq import doorbells, due_sites, redis_queue
from ..status import NOT_RUNNING, JobStatus, LinePlace

FIELDS = (
    *("name", "status", "organization", "job_type", "queue", "waits_for", "in_line", "due_epoch"),
    *("retry_count", "max_retries", "unfound_since_epoch"),
)
"""The columns of Background Job for the words."""
MINUTE, HOUR, DAY = 60, 3_600, 86_400
WORKERS = "RQ Worker"
"""Frappe's DocType of workers."""


class Stop(NamedTuple):
    """What keeps a job from starting, and where that is changed. A DocType alone: its list or only document."""

    words: str
    doctype: str | None = None
    name: str | None = None


def of_job(job: JobRow) -> str | None:
    """The reason why this job is not running. None if it is running or has ended for good."""
    return of_jobs([job]).get(job["name"])


def of_jobs(jobs: Iterable[JobRow]) -> dict[str, str]:
    """The reasons of many jobs, by name. Leaves out jobs that wait for nothing."""
    now, jobs = clock.now_epoch(), list(jobs)
    waiting = [job for job in jobs if job["status"] in NOT_RUNNING]
    reasons = {job["name"]: reason for job in waiting if (reason := _until(job, now))}
    lost = find.lost([job["name"] for job in jobs if job["status"] == str(JobStatus.RUNNING)], config.settings())
    reasons |= {name: _lost() for name in lost}
    return reasons | _due([job for job in waiting if job["name"] not in reasons], now)


def find_stop_of_site() -> Stop | None:
    """What keeps all jobs of the site from starting. None if nothing does."""
    pause = config.settings().pause_of_site()
    if pause == config.MAINTENANCE:
        return Stop(_("The site is being maintained."))
    if pause == config.OFF:
        return Stop(_('No job starts: the site\'s configuration says "job_engine": "off".'))
    if pause == config.COPY:
        words = _(
            "This site is a copy of another one. No job starts before an administrator has adopted it, "
            "in Job Engine Settings or by bench job-engine adopt."
        )
        return Stop(words, config.SETTINGS)
    return None


def _lost() -> str:
    """The reason of a Running job whose lease is over."""
    if stop := find_stop_of_site():
        return stop.words
    return find_silence() or _("Its worker is lost. It is tried again within seconds.")


def _is_queued(job: JobRow) -> bool:
    return job["status"] == str(JobStatus.QUEUED)


def _until(job: JobRow, now: float) -> str | None:
    """The reason of a job that waits for another job or for its time."""
    due = job["due_epoch"] or 0
    if _is_queued(job) or (due <= now and not job["waits_for"]):
        return None
    if job["waits_for"]:
        return _("Waits for {0}.").format(job["waits_for"])
    moment, distance = clock_time(due, now), time_until(due, now)
    if job["status"] == str(JobStatus.PENDING):
        return _("Starts at {0} ({1}).").format(moment, distance)
    if job["unfound_since_epoch"]:
        return _("The handler can't be imported. Looks for it again at {0} ({1}).").format(moment, distance)
    # Crashes and snoozes cost no retry, so they are not counted.
    words = _("Retries at {0} ({1}), attempt {2} of {3}.")
    return words.format(moment, distance, (job["retry_count"] or 0) + 1, (job["max_retries"] or 0) + 1)


def _due(jobs: list[JobRow], now: float) -> dict[str, str]:
    """The reasons of due jobs: what keeps them from starting, else the worker or the sweep for which they wait."""
    if not jobs:
        return {}
    limits_of = tenancy.limits_of(sorted({job["organization"] for job in jobs}))
    stops = list(zip(jobs, find_stops(jobs, limits_of, now), strict=True))
    soon = "" if all(stop or _is_queued(job) for job, stop in stops) else _soon()
    reasons = {job["name"]: stop.words for job, stop in stops if stop}
    for job, stop in stops:
        if not stop:
            reasons[job["name"]] = _turn(job, limits_of[job["organization"]]) if _is_queued(job) else soon
    return reasons


def find_stops(jobs: Sequence[JobRow], limits_of: Mapping[str, Limits], now: float) -> list[Stop | None]:
    """What keeps each of these due jobs from starting as long as nobody changes it. None if nothing does."""
    guarded = {name for name in {job["job_type"] for job in jobs} if config.has_breaker(config.job_type(name))}
    open_circuits = circuits.of_types(guarded, {job["organization"] for job in jobs})
    queues = sorted({job["queue"] for job in jobs if _is_queued(job)})
    workers = (redis_queue.if_there(lambda: doorbells.workers(queues)) or {}) if queues else {}

    def stop_of(job: JobRow) -> Stop | None:
        circuit = open_circuits.get((job["organization"], job["job_type"]))
        stop = _stop(job, limits_of[job["organization"]], circuit, now)
        if not stop and _is_queued(job) and workers.get(job["queue"]) == 0:
            return Stop(_('No worker serves the queue "{0}" at the moment.').format(job["queue"]), WORKERS)
        return stop

    return [stop_of(job) for job in jobs]


def _soon() -> str:
    """The reason of due jobs that the next sweep puts into the line."""
    silence = find_silence()
    if silence is None:
        return _("Due. The queue can't be reached at the moment.")
    return silence or _("Due, starts within seconds.")


def find_silence() -> str | None:
    """What to say where no process of the bench watches over due work, which is also logged. "" where one does.

    None while Redis is away.
    """
    silent_for = redis_queue.if_there(due_sites.of_bench().silent_for)
    if silent_for is None or silent_for < due_sites.SILENCE:
        return None if silent_for is None else ""
    words = _(
        "Nothing looks for due jobs: no worker of this bench has been seen that would. "
        "Restart the workers, or run bench job-engine agent."
    )
    log_hourly("silence", words)
    return words


def log_hourly(what: str, words: str) -> None:
    """Log this, at most once an hour."""
    if redis_queue.if_there(partial(redis_queue.first_in, f"told-of-{what}", HOUR)):
        frappe.logger("dartwing_core").error(words)


def _stop(job: JobRow, limits: Limits, circuit: circuits.Circuit | None, now: float) -> Stop | None:
    """What keeps the job from starting, however many workers are free."""
    pause = config.settings().pause_of(job["queue"])
    if pause and pause == config.settings().pause_of_site():
        return find_stop_of_site()
    if pause == config.EVERYTHING:
        return Stop(_("All jobs are paused."), config.SETTINGS)
    if pause == config.QUEUE:
        return Stop(_("The queue {0} is paused.").format(job["queue"]), config.SETTINGS)
    organization, job_type = (tenancy.ORGANIZATION, job["organization"]), (config.JOB_TYPE, job["job_type"])
    if limits.state in STOPPED_STATES:
        return Stop(_("The organization is {0}.").format(_(limits.state).lower()), *organization)
    if limits.is_paused:
        return Stop(_("The jobs of the organization are paused."), *organization)
    if not queue_view.may_start(config.job_type(job["job_type"])):
        return Stop(_("Jobs of this type are paused."), *job_type)
    if job["in_line"] == LinePlace.HELD:
        words = _("Held: the organization is over its limit of {0} waiting jobs.")
        return Stop(words.format(limits.max_waiting), *organization)
    if circuit is None or not circuit.stops_jobs:
        return None
    words = _("The circuit of {0} is being tried by another job.")
    if circuit.is_cooling:
        words = _("The circuit of {0} is open until {1}.")
    until = clock_time(circuit.open_until_epoch, now)
    return Stop(words.format(circuit.job_type, until), config.CIRCUIT, circuit.name)


def _turn(job: JobRow, limits: Limits) -> str:
    """The reason of a job that needs a free worker, with the caps that may apply."""
    job_type = config.job_type(job["job_type"]) or frappe._dict()
    rules = (
        (limits.max_running, _("The organization's limit of running jobs is {0}.")),
        (job_type.max_concurrent, _("The limit of running jobs of this type is {0}.")),
        (job_type.max_concurrent_per_organization, _("The organization's limit of running jobs of this type is {0}.")),
    )
    caps = [words.format(cap) for cap, words in rules if cap]
    return " ".join([_("Waits for its turn."), *caps]) if caps else _("Waits for a free worker.")


def clock_time(epoch: float, now: float) -> str:
    """The moment by the clock of the user's time zone: "14:05", with the date unless it is today."""
    moment, today = (datetime.fromtimestamp(value, timezone.utc).astimezone(zone()) for value in (epoch, now))
    text = f"{moment:%H:%M}"
    return text if moment.date() == today.date() else f"{formatdate(moment.date())} {text}"


def time_until(epoch: float, now: float) -> str:
    """The time until then, in one unit: "in 40 s", "in 3 min", "in 5 h", "in 2 days"."""
    seconds = max(1, round(epoch - now))
    if seconds < MINUTE:
        return _("in {0} s").format(seconds)
    if seconds < 90 * MINUTE:
        return _("in {0} min").format(round(seconds / MINUTE))
    if seconds < 2 * DAY:
        return _("in {0} h").format(round(seconds / HOUR))
    return _("in {0} days").format(round(seconds / DAY))


def zone() -> ZoneInfo:
    """The user's time zone, else the site's, as Desk does it."""
    return ZoneInfo(frappe.get_cached_value("User", frappe.session.user, "time_zone") or get_system_timezone())
