"""Links from and to our rows, and calendars of them, show no fields that the caller may not read."""

from __future__ import annotations

import json

from tests.support import factory
from tests.support.http import Client, call
from tests.support.jobs import submitted_by
from tests.support.sent_sql import JOB, RUN, SECRET


def test_a_calendar_is_asked_by_no_field_that_only_admins_read(web, alice, job):
    fields = json.dumps({"start": "creation", "end": "traceback", "title": "name"})
    client, span = Client(web).with_token(alice), {"start": "A", "end": "z", "filters": "[]"}
    answer = call(client, "frappe.desk.calendar.get_events", doctype=RUN, field_map=fields, **span)
    assert answer.status_code == 403, answer.text


def test_a_calendar_shows_what_one_may_see(web, alice):
    client = Client(web).with_token(alice)
    mine = submitted_by(alice, factory.job_type("plain"))
    fields = json.dumps({"start": "creation", "end": "modified", "title": "job_type"})
    answer = call(
        client, "frappe.desk.calendar.get_events", doctype=JOB, start="2020-01-01", end="2099-01-01", field_map=fields
    )
    assert answer.status_code == 200, answer.text
    assert mine.name in answer.text


def test_a_link_from_a_row_of_ours_shows_no_more_than_the_title(stranger, job):
    def read(field):
        fields = json.dumps(["name", f"organization.{field} as x"])
        return stranger.http.get(f"{stranger.url}/api/resource/Org Member", params={"fields": fields}, timeout=60)

    assert read("org_name").status_code == 200
    assert read("max_running").status_code == 403


def test_the_title_of_an_organization_is_no_way_to_its_other_fields(web, alice, job):
    # Seen failing on Frappe 15: what joins the table was looked for, and not the name that it has then.
    fields = ["name", "organization.org_name", "`tabOrganization_1`.`weight`"]
    span = {"start": "2000-01-01", "end": "2100-01-01", "field_map": '{"start": "start_date", "end": "end_date"}'}
    client = Client(web).with_token(alice)
    answer = call(client, "frappe.desk.calendar.get_events", doctype="Org Member", fields=fields, **span)
    assert answer.status_code >= 400, answer.text
    assert "ambiguous" not in answer.text


def test_what_a_job_depends_on_is_no_way_to_its_columns(stranger, job):
    answer = stranger.http.get(
        f"{stranger.url}/api/resource/{JOB}", params={"fields": '["name", "depends_on.input_parameters"]'}, timeout=60
    )
    assert answer.status_code in (403, 404, 417), (
        answer.text
    )  # Frappe 15 finds no DocType behind a field that is no Link
    assert "data" not in answer.json()
    assert SECRET not in answer.text
