"""The file of a job is neither found, copied nor led to through Frappe's functions."""

from __future__ import annotations

import frappe

from tests.support.http import call
from tests.support.sent_sql import SECRET


def test_a_heat_map_shows_no_files_of_jobs(stranger, job):
    chart = {"document_type": "File", "chart_type": "Count", "type": "Heatmap", "based_on": "creation"}
    name = "frappe.desk.doctype.dashboard_chart.dashboard_chart.get"
    answer = call(stranger, name, chart=chart, filters=[["File", "name", "=", job[1].name]], no_cache=1)
    assert answer.status_code != 200 or not answer.json()["message"]["dataPoints"], answer.text


def test_no_other_file_has_the_address_of_a_jobs_file(stranger, job):
    # Whoever owns a File of the same address may read it, publish it, and delete it from the disk.
    _job, file = job
    url = file.file_url
    for address in (url, url.replace("/private", "/private/."), url.replace("files", "%66iles"), f"/{url}"):
        answer = stranger.http.post(f"{stranger.url}/api/resource/File", json={"file_url": address, "is_private": 1})
        assert answer.status_code in (403, 404, 417), (address, answer.text)
    own = stranger.http.post(
        f"{stranger.url}/api/method/upload_file",
        files={"file": ("own.txt", b"own")},
        data={"is_private": 1},
    ).json()["message"]["name"]
    put = stranger.http.put(f"{stranger.url}/api/resource/File/{own}", json={"file_url": url, "is_private": 0})
    assert put.status_code == 403, put.text
    assert stranger.http.get(stranger.url + url).status_code == 403
    assert frappe.get_doc("File", file.name).get_content() == SECRET, "it lies where it lay"


def test_a_jobs_file_is_not_copied(stranger, job):
    # As a handler leaves it: with a hash of its own, so that Frappe takes no other file for the same and copies it.
    _job, file = job
    frappe.db.set_value("File", file.name, "content_hash", frappe.generate_hash())
    frappe.db.commit()
    body = {"file_url": file.file_url, "file_name": "mine.csv", "is_private": 1}
    answers = [
        stranger.http.post(f"{stranger.url}/api/resource/File", json=body),
        stranger.http.post(f"{stranger.url}/api/method/upload_file", data=body),
        call(stranger, "frappe.utils.file_manager.add_attachments", doctype=None, name=None, attachments=[file.name]),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 404], [answer.text for answer in answers]
    frappe.db.rollback()
    assert not frappe.db.exists("File", {"file_name": ["like", "mine%"]})


def test_files_are_not_found_by_link_search(stranger, job):
    for flag in (0, 1):
        answer = call(
            stranger, "frappe.desk.search.search_link", doctype="File", txt=job[0].name, ignore_user_permissions=flag
        )
        assert job[0].name not in answer.text.replace(f'"{job[0].name}"', "")
