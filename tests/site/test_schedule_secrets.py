"""Secret parameters of schedules: encrypted in the row, and used with the parameters that their owner chose."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import get_job_details, get_schedule
from dartwing_core.jobs.lib.secret_values import MASK
from dartwing_core.jobs.operations import schedules as schedule_operations
from dartwing_core.jobs.testing import run_jobs
from tests.support import factory, schedules
from tests.support.jobs import run, submitted
from tests.support.secret_rows import GIVEN, TOKEN, tables_with, typed

pytestmark = pytest.mark.usefixtures("no_sweeps")


def org_admin(name: str) -> str:
    """An admin of Test Alpha, committed."""
    user = factory.user(name, factory.ALPHA, roles=("Dartwing Admin",), org_role="Admin")
    frappe.db.commit()
    return user


def test_a_schedule_keeps_it_encrypted_and_its_runs_get_it():
    schedule = schedules.made(typed("with_secret"), parameters=json.dumps(GIVEN))
    assert tables_with(TOKEN) == []
    assert get_schedule(schedule.name)["parameters"] == {"url": "https://example.com", "token": MASK}
    schedule.reload()
    elsewhere = GIVEN | {"url": "https://example.org"}
    for given in (schedule.parameters.replace("example.com", "example.org"), json.dumps(elsewhere | {"token": MASK})):
        schedule.parameters = given  # also by its owner: a System Manager may have named them
        with pytest.raises(frappe.ValidationError, match="secret"):
            schedule.save()
        schedule.reload()
    schedule.update({"parameters": json.dumps(GIVEN | {"token": MASK}), "cron": "30 * * * *"})
    schedule.save()
    assert get_schedule(schedule.name)["parameters"] == {"url": "https://example.com", "token": MASK}
    job = schedule_operations.run_schedule_now(schedule.name).name
    frappe.db.commit()
    assert run_jobs(raising=True)[job] == "Completed"
    assert get_job_details(job)["result"]["is_right"] is True
    assert tables_with(TOKEN) == []


def test_who_becomes_the_owner_of_a_schedule_gives_its_secrets_anew():
    # Seen failing: another admin changed the priority, owned the schedule by that, and sent the secret elsewhere.
    job_type = typed("with_secret")
    admins = [org_admin("s-ada"), org_admin("s-eve")]
    frappe.set_user(admins[0])
    name = schedules.made(job_type, parameters=json.dumps(GIVEN)).name
    frappe.set_user(admins[1])
    schedule = frappe.get_doc("Job Schedule", name)
    schedule.cron = "30 * * * *"
    schedule.save()
    assert schedule.owner_user == admins[0]
    elsewhere = schedule.parameters.replace("example.com", "attacker.example")
    for changes in ({"priority": "High"}, {"parameters": elsewhere}):
        schedule.update(changes)
        with pytest.raises(frappe.ValidationError, match="secret"):
            schedule.save()
        schedule.reload()
    schedule.update({"priority": "High", "parameters": json.dumps(GIVEN | {"token": "eves-own-token"})})
    schedule.save()
    assert schedule.owner_user == admins[1]
    frappe.set_user("Administrator")


def test_a_handler_that_can_not_tell_its_secrets_keeps_parameters_from_being_saved():
    # Seen failing: a disabled schedule was saved with the secret in plain text.
    job_type = typed("with_secret")
    frappe.db.set_value("Job Type", job_type, "handler_method", f"{factory.TYPED}.gone")
    frappe.clear_document_cache("Job Type", job_type)
    with pytest.raises(frappe.ValidationError, match="has no attribute 'gone'"):
        schedules.document(job_type, parameters=json.dumps(GIVEN), enabled=0).insert()


def test_rows_from_before_the_declaration_are_masked():
    job_type = typed("by_dataclass_without_secret")
    given = {"url": "x", "token": TOKEN}
    schedule = schedules.made(job_type, parameters=json.dumps(given))
    job = submitted(job_type, **given)
    frappe.db.set_value("Job Type", job_type, "handler_method", f"{factory.TYPED}.telling_delivery")
    frappe.db.commit()
    frappe.clear_document_cache("Job Type", job_type)
    assert get_job_details(job.name)["parameters"]["token"] == MASK
    assert get_schedule(schedule.name)["parameters"]["token"] == MASK
    run(job)
    assert get_job_details(job.name)["error_message"] == f"ValueError: {MASK}"


def test_what_desk_shows_and_sends_back_is_unchanged():
    # Seen failing: JavaScript has no whole floats.
    job_type = typed("with_number_and_secret")
    schedule = schedules.made(job_type, parameters=frappe.as_json({"timeout": 30.0, "token": TOKEN}))
    schedule.reload()
    schedule.update({"parameters": json.dumps({"token": MASK, "timeout": 30}), "cron": "30 * * * *"})
    schedule.save()
    schedule.update({"parameters": json.dumps({"token": MASK, "timeout": 31})})
    with pytest.raises(frappe.ValidationError, match="these dots stand for a secret"):
        schedule.save()
