"""What the tests of Desk look at and count."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

import frappe

API = "dartwing_core.api.jobs."


ROWS = ".list-row-container:has([data-name])"
"""Of a list: on Frappe 16 its header is a `.list-row-container` too."""


def arrive(page: Any, path: str) -> None:
    """Wait for this list of Desk, whose address begins with `/app` on Frappe 15 and `/desk` on 16."""
    page.wait_for_url(re.compile(rf"/(app|desk)/{path}(/view/list)?(\?.*)?$"))


def form(job) -> str:
    return f"/app/background-job/{job.name}"


def view(page: Any):
    """What our script shows on the form that is on screen."""
    return page.locator(".page-container:visible .dw-job")


def dialog(page: Any):
    return page.locator(".modal.show")


def confirm(page: Any) -> None:
    dialog(page).get_by_role("button", name="Yes").click()


def row(page: Any, job):
    return page.locator(ROWS, has=page.locator(f'[data-name="{job.name}"]'))


def calls_of(page: Any, about: str = "") -> list[str]:
    """Names of the functions that the page calls from now on; `about`: only of ours, and of those that name this."""
    called: list[str] = []

    def note(request: Any) -> None:
        asked = unquote_plus(f"{request.url} {request.post_data or ''}")
        if "/api/method/" in asked and (about in asked or API in asked):
            called.append(request.url.split("/api/method/")[1].split("?")[0])

    page.on("request", note)
    return called


def ours(called: list[str]) -> list[str]:
    return [name.removeprefix(API) for name in called if name.startswith(API)]


def button(place: Any, name: str) -> Any:
    """The button of exactly this name."""
    return place.get_by_role("button", name=name, exact=True)


def figure(place: Any, label: str) -> Any:
    """The value of one of the figures that our forms show."""
    return place.locator(".dw-figure", has_text=label).locator(".dw-value")


def newest(job_type: str) -> str | None:
    """The job of this type that was submitted last; None if there is none."""
    frappe.db.rollback()
    found = frappe.get_all(
        "Background Job", filters={"job_type": job_type}, order_by="name desc", limit=1, pluck="name"
    )
    return found[0] if found else None
