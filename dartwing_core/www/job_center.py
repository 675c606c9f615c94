"""`/job-center`: the jobs of a user without Desk. The page is a frame; its script reads all else by the REST API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import frappe
from frappe import _
from frappe.sessions import get_csrf_token
from jinja2.utils import htmlsafe_json_dumps

from dartwing_core import __version__
from dartwing_core.jobs.access import permission, visibility
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.read import waiting_reason
from dartwing_core.jobs.status import word_of

no_cache = 1  # it holds the user's name and CSRF token
sitemap = 0

ROUTE = "/job-center"
SCRIPTS = (
    *("words", "dom", "api", "card", "log", "parameters", "edit", "details"),
    *("notice", "filters", "live", "holdups", "main"),
)
"""In this order: each script may use those before it."""

TEXT = re.compile(r'__\(\s*"([^"]+)"')


def get_context(context: Any) -> None:
    """Hook: the values of the page's template. Guests are sent to the login."""
    if frappe.session.user == "Guest":
        wanted = frappe.request.full_path.rstrip("?")
        frappe.flags.redirect_location = f"/login?redirect-to={quote(wanted, safe='')}"
        raise frappe.Redirect(302)
    viewer = visibility.viewer()
    context.no_breadcrumbs = True
    context.show_sidebar = False
    context.full_width = True
    context.title = _("Job Center")
    context.job_center = {
        "is_member": viewer.sees_everything or bool(viewer.reach.members),
        "statuses": status_names(),
        "style": _asset("job_center.css"),
        "scripts": [_asset(f"{name}.js") for name in SCRIPTS],
        "data": htmlsafe_json_dumps(page_data(viewer)),
    }


def page_data(viewer: visibility.Viewer) -> dict[str, Any]:
    """The data that the script needs before its first request."""
    return {
        "user": viewer.user,
        "csrf_token": get_csrf_token(),
        "login": f"/login?redirect-to={quote(ROUTE, safe='')}",
        "organizations": sorted(viewer.names_of(viewer.reach.members).items(), key=lambda pair: pair[1].lower()),
        "sees_others": viewer.sees_everything or bool(viewer.reach.admins),
        "time_zone": waiting_reason.zone().key,
        "job_types": _job_types(viewer.user),
        "statuses": status_names(),
        "words": words(),
    }


def _job_types(user: str) -> dict[str, str]:
    """The display names of the Job Types that the user may submit, by name."""
    found = frappe.get_all(config.JOB_TYPE, fields=["name", "display_name", "requires_permission"], order_by="name asc")
    may_have = [row for row in found if permission.has_required(user, row.requires_permission)]
    return {row.name: _(row.display_name or row.name) for row in may_have}


def _asset(name: str) -> str:
    """The address of a static file. Each version has a new address: benches let browsers keep files for a year."""
    return f"/assets/dartwing_core/job_center/{name}?v={__version__}-{_path(name).stat().st_mtime_ns:x}"


def _path(name: str) -> Path:
    return Path(frappe.get_app_path("dartwing_core", "public", "job_center", name))


def status_names() -> dict[str, str]:
    """The statuses in words for people who do not know the engine, in the order of the filter, which has each once."""
    order = ("Running", "Queued", "Pending", "Completed", "Failed", "Timed Out", "Dead Letter", "Canceled")
    return {status: word_of(status) for status in order}


def words() -> dict[str, str]:
    """The texts of the scripts, `__("…")` in their source, and their translations: website pages have none."""
    sources = [_path(f"{name}.js").read_text() for name in SCRIPTS]
    return {text: _(text) for source in sources for text in TEXT.findall(source)}
