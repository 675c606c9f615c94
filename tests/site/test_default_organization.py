"""Sites with one tenant: all of Desk are members of the Default Organization, and calls need not name it."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest
from frappe import client

from dartwing_core import install
from dartwing_core.jobs import InvalidJobError, batch, enqueue, get_job_details, job, list_jobs, submit_job, submit_jobs
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.types import functions
from tests.support import factory, processes
from tests.support.enqueued_functions import NAME, by_pattern
from tests.support.jobs import run, status, submitted_for
from tests.support.schedules import made as schedule
from tests.support.sessions import as_user
from tests.support.settings import settings


@pytest.fixture
def default() -> Iterator[str]:
    with settings(default_organization=factory.ALPHA):
        yield factory.ALPHA


@pytest.fixture
def clerk() -> str:
    """A user of Desk who is a member of nothing."""
    return person("clerk", "System User")


def person(name: str, user_type: str, **values) -> str:
    user = factory.user(name)
    frappe.db.set_value("User", user, {"user_type": user_type, "enabled": 1, **values})
    frappe.clear_cache(user=user)
    frappe.db.commit()
    return user


def submitted(user: str, **arguments):
    made = as_user(user, submit_job, factory.job_type("plain"), **arguments)
    frappe.db.commit()
    return made


def test_a_user_of_desk_submits_without_a_membership_and_the_job_runs(default, clerk):
    made = submitted(clerk)
    assert made.organization == default
    run(made)
    assert status(made) == "Completed"
    with pytest.raises(frappe.PermissionError):
        submitted(clerk, organization=factory.BETA)


@pytest.mark.parametrize("values", [{"user_type": "Website User"}, {"user_type": "System User", "enabled": 0}])
def test_website_users_and_disabled_ones_are_no_members(default, values):
    stranger = person("stranger", **values)
    for named in ({}, {"organization": factory.BETA}):
        with pytest.raises(frappe.PermissionError) as refused:
            submitted(stranger, **named)
        assert "Test" not in str(refused.value), "not even the id of the default one"
        frappe.db.rollback()
    assert as_user(stranger, list_jobs)["total"] == 0
    assert not visibility.viewer(stranger).reach.members


def test_colleagues_see_only_their_own_jobs_and_admins_all(default, clerk, alice):
    admin = factory.user("default_admin", factory.ALPHA, org_role="Admin")
    own, other = submitted(clerk), submitted_for(alice, factory.ALPHA, factory.job_type("other"))
    seen = {user: {row["job_id"] for row in as_user(user, list_jobs)["jobs"]} for user in (clerk, alice, admin)}
    assert seen == {clerk: {own.name}, alice: {other.name}, admin: {own.name, other.name}}
    assert as_user(clerk, get_job_details, own.name)["organization_name"] == factory.title_of(default)


def test_jobs_wait_for_nobody_who_is_no_member_any_more(clerk):
    with settings(default_organization=factory.ALPHA):
        made = submitted(clerk)
    run(made)
    assert status(made) == "Dead Letter"


WAYS = {
    "many": lambda kind: submit_jobs([{"job_type": kind}])[0],
    "a batch": lambda kind: batch(job(kind)).submit(),
    "a schedule": lambda kind: schedule(kind, organization=None),
    "a function": lambda _kind: enqueue(by_pattern, n=1),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_to_submit_needs_it_named(default, way, monkeypatch):
    monkeypatch.setitem(frappe.conf, functions.HOOK, [f"{NAME}.by_*"])
    assert WAYS[way](factory.job_type("plain")).organization == default


def test_it_is_not_deleted_while_it_is_the_default(default):
    with pytest.raises(frappe.LinkExistsError):
        frappe.delete_doc("Organization", default)
    frappe.db.rollback()


def test_it_is_set_by_its_name_too():
    # Seen failing: Frappe looks the link up before any check of ours: "Could not find Default Organization".
    name, manager = factory.title_of(factory.BETA), factory.user("max", roles=("System Manager",))
    with settings(default_organization=None):
        as_user(manager, client.set_value, "Job Engine Settings", None, "default_organization", name)
        assert frappe.db.get_single_value("Job Engine Settings", "default_organization") == factory.BETA
        frappe.db.rollback()
        with pytest.raises(frappe.LinkValidationError):
            as_user(manager, client.set_value, "Job Engine Settings", None, "default_organization", "Test Nowhere")
        frappe.db.rollback()


def test_without_one_an_error_says_what_to_do():
    in_code = r"In code: pass organization, or set the Default Organization in Job Engine Settings\."
    told = rf"^Choose an organization\. {in_code}$"
    kind = factory.job_type("plain")
    for submit in (submit_job, WAYS["many"], WAYS["a batch"]):
        with settings(default_organization=None), pytest.raises(InvalidJobError, match=told):
            submit(kind)


def test_the_command_line_sets_it():
    with settings(default_organization=None):
        said = processes.run_command("job-engine", "default-organization", factory.title_of(factory.BETA))
        assert factory.BETA in said
        frappe.db.rollback()
        assert frappe.db.get_single_value("Job Engine Settings", "default_organization") == factory.BETA


def test_a_new_site_has_one_until_a_second_organization_comes(clerk):
    # Seen failing: a new site's first submit said "organization is missing".
    with settings(default_organization=None):
        frappe.db.sql("DELETE FROM `tabOrganization`")
        install.make_default_organization()
        [only] = frappe.get_all("Organization", pluck="name")
        waiting = as_user(clerk, submit_job, "echo_job", parameters={"n": 1}, available_at=3600)
        assert waiting.organization == only
        install.make_default_organization()
        assert frappe.db.count("Organization") == 1, "the site has one already"
        frappe.get_doc({"doctype": "Organization", "org_name": "Test Second"}).insert()
        assert not frappe.db.get_single_value("Job Engine Settings", "default_organization")
        assert "none is the default" in str(frappe.get_message_log())
        # Seen failing: the job ended as a dead letter, since its owner was a member no more.
        assert frappe.get_all("Org Member", {"organization": only}, ["user", "role"]) == [
            {"user": clerk, "role": "Member"}
        ]
        with pytest.raises(InvalidJobError, match="organization"):
            submit_job("echo_job", parameters={"n": 2})
        frappe.db.rollback()
