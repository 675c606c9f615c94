"""Lists of Files hold none of a document of ours that one may not see, also no published one."""

from __future__ import annotations

import json

import pytest

from tests.support import factory
from tests.support.http import Client, call
from tests.support.uploads import PRIVATE, PUBLIC, new_name, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")


@pytest.mark.parametrize("privacy", [PUBLIC, PRIVATE])
def test_a_file_of_a_hidden_document_is_in_no_list(web, admin, member, of_schedule, privacy):
    # Seen failing on Frappe 15: with names of files, makers and documents. Its conditions stand without parentheses.
    file = uploaded(admin, file_name=new_name("s3cret"), **privacy, **of_schedule)
    desk = Client(web).with_token(factory.user("file_desk", factory.BETA, roles=("Dartwing User", "Desk User")))
    filters = json.dumps([["name", "=", file["name"]]])
    for client, is_seen in ((admin, True), (desk, False)):
        rows = client.http.get(f"{web}/api/resource/File", params={"filters": filters}, timeout=60).json()["data"]
        assert [row["name"] for row in rows] == [file["name"]] * is_seen
        counted = call(client, "frappe.desk.reportview.get_count", doctype="File", filters=filters)
        assert (counted.status_code, counted.json().get("message")) == (200, int(is_seen))
