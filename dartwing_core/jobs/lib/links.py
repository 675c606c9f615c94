"""Addresses of jobs for people: in Desk, or in the job center for users without Desk."""

from __future__ import annotations

import frappe
from frappe.utils import get_url, get_url_to_form

from . import config

JOB_CENTER = "/job-center"


def has_desk(user: str) -> bool:
    """Whether this user may open Desk: others get 403 there."""
    return frappe.get_cached_value("User", user, "user_type") == "System User"


def to_job(user: str, job_id: str) -> str:
    """The address of a job for this user."""
    return get_url_to_form(config.JOB, job_id) if has_desk(user) else f"{get_url(JOB_CENTER)}#{job_id}"
