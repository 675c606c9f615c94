"""A daily e-mail to the admins of each organization about its jobs that failed for good.

A time in Job Engine Settings marks the reported jobs. It is committed together with the e-mails in Frappe's queue. So
each job is reported once, also if the scheduler runs twice, late or breaks off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

import frappe
from frappe import _
from frappe.query_builder.functions import Count, Min
from frappe.translate import get_user_lang
from frappe.utils import get_datetime
from pypika import Order
from pypika.queries import QueryBuilder

from ..access import tenancy
from ..base import clock, config, links
from ..db import named_locks, server_errors, sql
from ..status import JobStatus

UNTIL = "digest_until"
TEMPLATE = "dead_letters"
SAVEPOINT = "dartwing_core_digest"
EXAMPLE_LENGTH = 200


def send_dead_letter_digest() -> int:
    """Send the digest: the scheduler's daily entry. Returns how many e-mails went to Frappe's queue. Commits.

    Sends none if the settings say so, or if the site has no outgoing account.
    """
    if not config.settings().sends_digest or not _can_send():
        return 0
    with named_locks.named_lock("digest") as is_ours:
        return sql.committed(_send) if is_ours else 0


def _send() -> int:
    now = clock.site_time()
    last = frappe.db.get_single_value(config.SETTINGS, UNTIL, cache=False)
    since = get_datetime(last) if last else now - timedelta(days=1)
    by_organization: dict[str, list[FailedRow]] = {}
    for row in failed_query(since, now).run(as_dict=True):
        by_organization.setdefault(row["organization"], []).append(row)
    sent = sum(_mail_admins(organization, rows) for organization, rows in sorted(by_organization.items()))
    frappe.db.set_single_value(config.SETTINGS, UNTIL, now, update_modified=False)
    return sent


class FailedRow(TypedDict):
    """The jobs of an organization and Job Type that failed for good."""

    organization: str
    job_type: str
    jobs: int
    example: str | None
    """An example of an error."""


def failed_query(since: datetime, until: datetime) -> QueryBuilder:
    """The query for jobs that failed for good in this time, by organization and Job Type, each with a sample error."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.organization, job.job_type, Count("*").as_("jobs"))
    query = query.select(Min(job.error_message).as_("example"))
    condition = job.status == str(JobStatus.DEAD_LETTER)
    condition &= (job.modified > since) & (job.modified <= until)
    return query.where(condition).groupby(job.organization, job.job_type).orderby(Count("*"), order=Order.desc)


def _mail_admins(organization: str, rows: Sequence[FailedRow]) -> int:
    name = tenancy.name_of(organization)
    return sum(_mail(user, organization, name, rows) for user in tenancy.admins_of(organization))


def _mail(user: str, organization: str, name: str, rows: Sequence[FailedRow]) -> bool:
    """Send one e-mail to one admin, in their language. A bad address must not keep it from the others."""
    account = frappe.db.get_value("User", user, ["email", "enabled"], as_dict=True)
    if not account or not account.enabled or not account.email:
        return False
    lang = get_user_lang(user)
    frappe.db.savepoint(SAVEPOINT)
    try:
        frappe.sendmail(
            recipients=[account.email],
            subject=_("{0}: {1} background jobs have failed", lang=lang).format(name, _number(rows)),
            template=TEMPLATE,
            args={
                "intro": _("These jobs of {0} have failed for good since the last message:", lang=lang).format(name),
                "heads": [_("Job Type", lang=lang), _("Jobs", lang=lang), _("For example", lang=lang)],
                "rows": [{**row, "example": (row["example"] or "")[:EXAMPLE_LENGTH]} for row in rows],
                "link": links.to_list(user, organization=organization, status=str(JobStatus.DEAD_LETTER)),
                "action": _("Look at them and retry", lang=lang),
            },
        )
    except Exception as error:
        if server_errors.database_code(error) is not None:
            raise  # the transaction may be undone, so all of it is tried again
        frappe.db.rollback(save_point=SAVEPOINT)
        frappe.logger("dartwing_core").exception(f"The digest could not be sent to {user}")
        return False
    return True


def _can_send() -> bool:
    return bool(frappe.db.exists("Email Account", {"enable_outgoing": 1, "default_outgoing": 1}))


def _number(rows: Sequence[FailedRow]) -> int:
    return sum(row["jobs"] for row in rows)
