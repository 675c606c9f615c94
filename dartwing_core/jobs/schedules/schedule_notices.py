"""Tells the owner of a schedule, and the admins of its organization, that a due time got no job.

The notice leaves the reason to the schedule, which checks who may see it.
"""

from __future__ import annotations

from frappe import _
from frappe.translate import get_user_lang
from frappe.utils import escape_html

from ..access import tenancy, visibility
from ..job import events, inbox
from ..job.schedule_store import ScheduleRow
from ..lib import config, sql


def notify_refused(schedule: ScheduleRow) -> None:
    """Add a Notification Log for the owner and each admin who may see the schedule. Commits."""
    for user in sorted({schedule["owner_user"], *tenancy.admins_of(schedule["organization"])}):
        if visibility.can_see(user, schedule["owner_user"], schedule["organization"]):
            sql.committed(lambda user=user: _log(user, schedule))  # type: ignore[misc]
            events.publish_to_user(user, "notification", {})  # lights the bell


def _log(user: str, schedule: ScheduleRow) -> None:
    text = _("Schedule {0} could not run", lang=get_user_lang(user))
    subject = text.format(escape_html(schedule["title"] or schedule["name"]))
    inbox.add_notice(user, subject, document_type=config.SCHEDULE, document_name=schedule["name"])
