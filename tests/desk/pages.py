"""What the tests of Desk look at and count."""

from __future__ import annotations

from typing import Any

API = "dartwing_core.api.jobs."
FRAPPES_OWN = (
    "frappe.desk.form.load.getdoctype",
    "frappe.desk.form.load.getdoc",
    "frappe.desk.notifications.get_open_count",
)


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
    return page.locator(".list-row-container", has=page.locator(f'[data-name="{job.name}"]'))


def calls_of(page: Any) -> list[str]:
    """Names of the functions that the page calls from now on."""
    called: list[str] = []

    def note(request: Any) -> None:
        if "/api/method/" in request.url:
            called.append(request.url.split("/api/method/")[1].split("?")[0])

    page.on("request", note)
    return called


def ours(called: list[str]) -> list[str]:
    return [name.removeprefix(API) for name in called if name.startswith(API)]
