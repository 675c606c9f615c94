"""Hooks of install, migrate and uninstall. Records are inserted only where they are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import frappe
from frappe import _

from dartwing_core.dartwing_core.doctype.job_engine_settings.job_engine_settings import set_default_organization
from dartwing_core.jobs.access import tenancy
from dartwing_core.jobs.errors import InvalidJobError
from dartwing_core.jobs.job import job_files
from dartwing_core.jobs.lib import clock, config, sealing
from dartwing_core.jobs.rq import due_sites
from dartwing_core.jobs.status import LIVE
from dartwing_core.jobs.types import declared_types, functions

APP, MODULE = "dartwing_core", "Dartwing Core"
ROLES = ("Dartwing User", "Dartwing Admin")
"""Frappe makes them, since permissions of DocTypes name them."""
INDEXES = (
    (config.JOB, "status", "in_line", "waits_for", "due_epoch", "unfound_since_epoch"),
    (config.JOB, "completed_at", "organization"),
    (config.JOB, "organization", "creation"),
    (config.JOB, "organization", "status", "job_type", "creation"),
    (config.JOB, "owner_user", "creation"),
    (config.JOB, "parent_batch", "status"),
    (config.JOB, "job_type", "creation"),
    (config.JOB, "reference_doctype", "reference_name", "creation"),
    (config.RUN, "circuit_key", "circuit_epoch", "circuit_failure"),
    (config.DEPENDENCY, "background_job", "depends_on"),
    (config.BATCH, "status", "completed_at"),
    (config.BATCH, "organization", "creation"),
    (config.BATCH, "owner_user", "creation"),
    (config.CIRCUIT, "status", "job_type", "organization"),
    (config.CIRCUIT, "organization", "status"),
    (config.SCHEDULE, "enabled", "look_at_epoch"),
    (config.SCHEDULE, "organization", "creation"),
    (config.SCHEDULE, "owner_user", "creation"),
    ("Org Member", "organization", "status"),
)
"""DocTypes and columns of indexes. Few hold the status of a job: it changes twice with each job, and they with it.

Indexes of one column belong to their field: a change of the DocType would drop them here.
"""


def before_install() -> None:
    """Hook: refuse where another app has DocTypes of our names, which Frappe would overwrite."""
    frappe.setup_module_map()  # a process may have begun without this app; `install_app` has just cleared this cache
    names = [frappe.unscrub(path.parent.name) for path in Path(__file__).parent.glob("*/doctype/*/*.json")]
    others = {"name": ("in", names), "module": ("!=", MODULE)}
    if found := frappe.get_all("DocType", filters=others, fields=["name", "module"], limit=1):
        words = _("The module {1} of another app has a DocType {0} already. Rename it, or install {2} on another site.")
        frappe.throw(words.format(found[0].name, found[0].module, APP))


def after_install() -> None:
    """Hook: make the app's own records, and a Default Organization."""
    after_migrate()
    make_default_organization()


def make_default_organization() -> None:
    """Make the Default Organization that the site's configuration names, else one for a site of one company.

    None is made unasked where an app has its own organizations, or the site has some already.
    """
    name = frappe.conf.get("job_engine_default_organization")
    if not name and tenancy.is_default() and not frappe.db.count(tenancy.ORGANIZATION):
        name = frappe.defaults.get_global_default("company") or frappe.local.site
    if name:
        try:
            set_default_organization(name)
        except InvalidJobError as error:  # the adapter of another app knows none of this name, or not yet
            warn([str(error)])


def after_migrate() -> None:
    """Hook: add missing indexes, and sync the Job Types that code declares. Changes of the site stay."""
    _add_indexes()
    if sealing.make_key() and frappe.get_all("Background Job", limit=1):
        text = "dartwing_core: encryption_key was missing in site_config.json. What jobs hold so far needs the old one."
        click.secho(text, fg="red", err=True)
    settings = config.read_settings()
    frappe.db.set_single_value(config.SETTINGS, "home", settings.home or config.home(), update_modified=False)
    due_sites.note_after_commit(clock.now_epoch())
    sync_types()


def _add_indexes() -> None:
    for doctype, *columns in INDEXES:
        frappe.db.add_index(doctype, columns)
    line = ["in_line", "queue", "organization", "job_type", "priority", "admission_rank"]
    frappe.db.add_index(config.JOB, line, "line_index")  # a name made of the columns would be too long
    frappe.db.add_index(config.JOB, ["creation"], "creation")  # Frappe 16 itself makes the index of this name
    frappe.db.add_unique(config.CIRCUIT, ["job_type", "organization"])
    frappe.db.add_unique("Org Member", ["user", "organization"])


def sync_types() -> None:
    """Make the Job Types what code says. Print what could not be done, and what is wrong in hooks."""
    report = declared_types.sync_types()
    warn([*report.problems, *report.unreadable, *functions.problems_of_events()])


def warn(problems: Iterable[str]) -> None:
    """Print these sentences."""
    for problem in problems:
        click.secho(problem, fg="yellow", err=True)


def after_app_install(app: str) -> None:
    """Hook: another app may declare Job Types, and name functions in hooks."""
    if app != APP:
        sync_types()


def before_uninstall() -> None:
    """Hook: refuse while jobs are unfinished. Delete what Frappe would leave, and what would fail afterwards.

    Does not commit: a dry run calls it, too.

    Frappe itself deletes the app's DocTypes with their tables, and what belongs to its module, such as its reports.
    """
    if number := frappe.db.count(config.JOB, {"status": ("in", sorted(LIVE))}):
        words = _("Unfinished jobs: {0}. Let workers finish them, or cancel them in the list of Background Jobs.")
        frappe.throw(words.format(number))
    _delete("Scheduled Job Type", {"method": ["like", f"{APP}.%"]})
    for doctype in ("Desktop Icon", "Workspace Sidebar"):
        # Without on_trash, which would also delete the app's file in developer mode.
        _delete(doctype, {"app": APP}, ignore_on_trash=True)
    for doctype in ("Has Role", "Custom DocPerm"):
        frappe.db.delete(doctype, {"role": ["in", ROLES]})
    _delete("Role", {"name": ["in", ROLES]})
    own = frappe.get_all("DocType", {"module": MODULE}, pluck="name")
    frappe.db.delete("Property Setter", {"doc_type": ["in", own]})  # with one, Frappe would look for our tables
    frappe.db.delete("Singles", {"doctype": ["in", own]})  # Frappe 15 leaves them


def after_uninstall() -> None:
    """Hook: delete the files of jobs, and look here for due work no more. A dry run calls it, too: the app is there."""
    if APP not in frappe.get_installed_apps():
        job_files.delete_all()
        due_sites.forget()


def _delete(doctype: str, filters: Mapping[str, Any], **options: Any) -> None:
    """Delete these documents by Frappe's function. Frappe 15 lacks some of the DocTypes."""
    if frappe.db.table_exists(doctype):
        for name in frappe.get_all(doctype, filters=filters, pluck="name"):
            frappe.delete_doc(doctype, name, force=True, ignore_permissions=True, **options)
