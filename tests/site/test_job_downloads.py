"""Files of jobs over HTTP: who gets them, and how the answer looks."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, unquote

import frappe
import pytest
import requests

from dartwing_core.jobs.job import job_files
from tests.support import factory, files, http
from tests.support.files import NAME, SECRET
from tests.support.http import Client
from tests.support.jobs import run, submitted_by

pytestmark = pytest.mark.usefixtures("fresh_limits")

LARGE = 8 * 1024 * 1024


@pytest.fixture
def job(alice):
    """A completed job of Alice's in Alpha, with a file."""
    made = submitted_by(alice, factory.job_type("note", "add_note"), title="test of files")
    assert run(made)["status"] == "Completed"
    return files.given(made)


def download(client: Client, job, name: str = NAME, **headers: str) -> requests.Response:
    return client.http.get(client.url + job_files.address_of(job.name, name), headers=headers, timeout=60)


def people() -> dict[str, str]:
    return {
        "owner": factory.user("alice", factory.ALPHA),
        "admin": factory.user("ada", factory.ALPHA, org_role="Admin", roles=("Dartwing User", "Dartwing Admin")),
        "manager": factory.user("max", roles=("System Manager",)),
        "colleague": factory.user("carl", factory.ALPHA),
        "portal colleague": factory.user("paul", factory.ALPHA, roles=()),
        "other tenant": factory.user("bob", factory.BETA),
        "other admin": factory.user("bea", factory.BETA, org_role="Admin", roles=("Dartwing Admin",)),
        "nobody's": factory.user("nora", roles=()),
    }


def without_name(answer: requests.Response, job) -> tuple[int, str]:
    return answer.status_code, answer.text.replace(job.name, "$")


def test_only_who_may_see_the_result_gets_the_file_and_to_others_the_job_is_missing(web, job):
    getting = set()
    for who, user in people().items():
        client = Client(web).with_token(user)
        answer = download(client, job)
        if answer.status_code == 200:
            getting.add(who)
            assert answer.content == SECRET
        else:
            missing = frappe._dict(name="JOB-NOWHERE")
            assert without_name(answer, job) == without_name(download(client, missing), missing), who
            assert answer.status_code == 404
    assert getting == {"owner", "admin", "manager"}
    guest = download(Client(web), job)
    assert guest.status_code in (401, 403)
    assert SECRET not in guest.content


def hidden_from_admin(job) -> str:
    frappe.db.set_value("Job Type", job.job_type, "results_visible_to", "Owner Only")
    frappe.clear_document_cache("Job Type", job.job_type)
    return "admin"


def hidden_from_owner(job) -> str:
    document = frappe.get_doc("Organization", factory.ALPHA)
    document.status = "Suspended"
    document.save()
    return "owner"


@pytest.mark.parametrize("hide", [hidden_from_admin, hidden_from_owner])
def test_a_file_of_a_hidden_result_is_as_missing_as_one_that_is_not_there(web, job, hide):
    user = people()[hide(job)]
    frappe.db.commit()
    client = Client(web).with_token(user)
    assert client.get("get_job_status", job_id=job.name).status_code == 200
    hidden, missing = download(client, job), download(client, job, "x")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace(NAME, "x") == missing.text
    assert client.get("get_job_details", job_id=job.name).json()["message"]["files"] == []


def test_a_session_and_the_originals_address_serve_as_well(web, job, alice):
    http.set_password(alice, "pw-of-alice")
    client = Client(web).log_in(alice, "pw-of-alice")
    assert download(client, job).content == SECRET
    old = client.http.get(
        f"{web}/api/method/dartwing.dartwing_core.api.jobs.download_file",
        params={"job_id": job.name, "name": NAME},
        timeout=60,
    )
    assert old.content == SECRET


@pytest.mark.parametrize(
    "name", ["page.html", "picture.svg", "list.csv.gz", 'Übersicht "2026"; a=b%0d%0aX-Test: x%2F?#.csv']
)
def test_a_file_is_saved_under_its_name_and_never_shown(web, job, alice, name):
    files.given(job, b"<script>alert(1)</script>", name)
    answer = download(Client(web).with_token(alice), job, name)
    assert answer.status_code == 200, answer.text
    kind, _, given = answer.headers["Content-Disposition"].partition("; filename*=UTF-8''")
    assert (kind, unquote(given)) == ("attachment", name)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.content == b"<script>alert(1)</script>"


def test_the_web_server_sends_the_bytes_if_it_has_asked_for_that(web, job, alice, bob):
    files.given(job, SECRET, "Übersicht.csv")
    asked = {"X-Use-X-Accel-Redirect": "True"}
    answer = download(Client(web).with_token(alice), job, "Übersicht.csv", **asked)
    (path,) = [one for one in files.on_disk(job) if one.name == "Übersicht.csv"]
    below = path.relative_to(job_files.folder())
    assert answer.headers["X-Accel-Redirect"] == quote(f"/protected/private/files/dartwing_core/{below}")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.content == b""
    refused = download(Client(web).with_token(bob), job, "Übersicht.csv", **asked)
    assert refused.status_code == 404
    assert "X-Accel-Redirect" not in refused.headers


def test_a_large_file_arrives_whole(web, job, alice):
    content = bytes(range(256)) * (LARGE // 256)
    files.given(job, content, "large.bin")
    answer = download(Client(web).with_token(alice), job, "large.bin")
    assert answer.content == content
    assert int(answer.headers.get("Content-Length", LARGE)) == LARGE


def test_bytes_that_are_gone_are_a_missing_file(web, job, alice):
    job_files.delete_now([job.name])
    assert download(Client(web).with_token(alice), job).status_code == 404


@pytest.fixture(autouse=True)
def restored(site) -> Iterator[None]:
    yield
    frappe.db.rollback()
    frappe.db.set_value("Organization", factory.ALPHA, "status", "Active")
    frappe.db.commit()


def test_nobody_reads_the_bytes_by_an_address_of_frappes(web, job):
    # Not even who knows where they lie.
    path = files.on_disk(job)[0]
    address = f"/private/files/dartwing_core/{path.relative_to(job_files.folder())}"
    for user in people().values():
        client = Client(web).with_token(user)
        for url in (address, f"/api/method/download_file?file_url={quote(address)}"):
            answer = client.http.get(web + url, timeout=60)
            assert SECRET not in answer.content, (user, url)
