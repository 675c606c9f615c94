"""An organization is stored by an id that says nothing and is never used again, and asked for by that or its name."""

from __future__ import annotations

import re

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidJobError,
    bulk_retry_dead_letter,
    get_dead_letter_jobs,
    get_execution_time_stats,
    get_job_counts,
    get_job_status,
    get_metrics,
    get_open_circuits,
    get_slowest_jobs,
    list_batches,
    list_jobs,
    list_schedules,
    manually_close_circuit,
    submit_batch,
    submit_job,
    submit_jobs,
)
from dartwing_core.jobs.access import tenancy
from dartwing_core.jobs.errors import DuplicateJobError
from dartwing_core.jobs.operations import batches, dead_letters
from dartwing_core.jobs.read import figures
from tests.support import circuits, factory, named, schedules
from tests.support.jobs import run
from tests.support.sessions import committed

ACME, OTHER = "Test Acme", "Test Other"
OTHER_SPELLINGS = (ACME.upper(), ACME.lower(), f"{ACME} ", f" {ACME}", "Test Acmé", f"{ACME}\u200b")


@pytest.fixture
def acme():
    with named.organization(ACME) as made:
        yield made


@pytest.fixture
def other():
    with named.organization(OTHER) as made:
        yield made


@pytest.fixture
def anna(acme) -> str:
    """An admin of Acme."""
    return factory.user("anna", acme, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))


@pytest.fixture
def job_type() -> str:
    return factory.job_type("plain", deduplication_window=300)


def counts(organization: str) -> dict[str, int]:
    """Without the moments since when it counts."""
    return {kind: number for kind, number in get_job_counts(organization).items() if isinstance(number, int)}


@pytest.mark.parametrize("is_manager", [False, True])
def test_a_job_is_submitted_by_name_and_stored_by_an_id_that_says_nothing(acme, anna, job_type, is_manager):
    assert re.fullmatch(r"ORG-[0-9A-Z]{20}", acme)
    frappe.set_user("Administrator" if is_manager else anna)
    job = submit_job(job_type, ACME, {"n": 1})
    assert job.organization == acme
    with pytest.raises(DuplicateJobError):
        submit_job(job_type, acme, {"n": 1})
    same = {"job_type": job_type, "parameters": {"n": 2}, "on_duplicate": "return"}
    both = submit_jobs({**same, "organization": one} for one in (ACME, acme))
    assert both[0].name == both[1].name, "one content, however the organization is spelled"
    child = submit_job(job_type, ACME, {"n": 3}, depends_on=job.name)
    assert child.organization == acme
    status = get_job_status(job.name)
    assert (status["organization"], status["organization_name"]) == (acme, ACME)


def test_everything_that_takes_an_organization_takes_its_name(acme, other, anna):
    job_type = circuits.breaking_type()
    factory.member(anna, other, "Admin")
    schedule = schedules.made(job_type, organization=ACME, parameters={"plan": ["ok"]})
    made = submit_batch(ACME, [batches.job(job_type, {"plan": ["dead"], "n": 1})])
    plans = ["ok", *["fail"] * circuits.SAMPLES]
    ended = [submit_job(job_type, ACME, {"plan": [plan], "n": n}) for n, plan in enumerate(plans)]
    committed(submit_job, job_type, OTHER, {"plan": ["ok"]})
    for job in ended:
        run(job)
    committed(frappe.db.sql, "UPDATE `tabBackground Job` SET status = 'Dead Letter' WHERE parent_batch = %s", made.name)
    assert schedule.organization == acme
    frappe.set_user(anna)
    for ask in (
        list_jobs,
        list_batches,
        list_schedules,
        get_open_circuits,
        get_dead_letter_jobs,
        counts,
        get_execution_time_stats,
        get_slowest_jobs,
        figures.type_performance,
        dead_letters.dead_letters_by_error,
    ):
        by_id = ask(organization=acme)
        assert ask(organization=ACME) == by_id, ask
        assert ask(organization=OTHER) != by_id or not by_id, ask
        for spelling in OTHER_SPELLINGS:
            assert ask(organization=spelling) == ask(organization="Test Nowhere"), (ask, spelling)
    for found in (get_metrics(ACME), get_metrics(acme)):
        assert sum(found["job_count_by_status"].values()) == len(ended) + 1
    listed = [*list_jobs(ACME)["jobs"], *list_batches(ACME)["batches"], *list_schedules(ACME)["schedules"]]
    assert {one["organization_name"] for one in [*listed, *get_open_circuits(ACME)]} == {ACME}
    assert manually_close_circuit(job_type, ACME)["organization_name"] == ACME
    assert len(bulk_retry_dead_letter(ACME)["retried"]) == 1


def test_other_spellings_name_nothing(acme, anna, job_type):
    for user, error in ((anna, frappe.PermissionError), ("Administrator", InvalidJobError)):
        frappe.set_user(user)
        for spelling in OTHER_SPELLINGS:
            with pytest.raises(error):
                submit_job(job_type, spelling)


def test_members_and_schedules_are_made_by_name(acme, anna, alice, job_type):
    frappe.get_doc({"doctype": "Org Member", "organization": ACME, "user": alice}).insert()
    assert frappe.db.exists("Org Member", {"organization": acme, "user": alice})
    frappe.set_user(anna)
    assert schedules.document(job_type, organization=ACME).insert().organization == acme


def test_another_organization_of_an_old_name_inherits_nothing(job_type):
    # Seen failing while the name was the id: the second one's members saw the first one's jobs.
    user = committed(factory.user, "heir")
    with named.organization(ACME) as first:
        factory.member(user, first, "Admin")
        job = submit_job(job_type, ACME, {"secret": 1})
        schedules.made(job_type, organization=ACME)
        frappe.db.delete("Org Member", {"organization": first})
        frappe.delete_doc("Organization", first)
        with named.organization(ACME) as second:
            factory.member(user, second, "Admin")
            assert second != first
            frappe.set_user(user)
            assert list_jobs()["total"] == list_jobs(ACME)["total"] == list_schedules(ACME)["total"] == 0
            assert frappe.get_list("Background Job") == []
            own = submit_job(job_type, ACME, {"secret": 1})
            assert (own.organization, own.name != job.name) == (second, True), "not even a duplicate"
            frappe.set_user("Administrator")


def test_no_organization_is_called_by_the_id_of_another(acme):
    with pytest.raises(frappe.ValidationError, match="has the ID"):
        frappe.get_doc({"doctype": "Organization", "org_name": factory.ALPHA}).insert()
    named_anew = frappe.get_doc("Organization", acme)
    named_anew.org_name = factory.ALPHA
    with pytest.raises(frappe.ValidationError, match="has the ID"):
        named_anew.save()


def test_a_name_is_changed_and_the_id_stays(acme, anna, job_type):
    job = submit_job(job_type, ACME)
    document = frappe.get_doc("Organization", acme)
    document.org_name = "Test Acme & Daughters"
    document.save()
    frappe.set_user(anna)
    assert list_jobs("Test Acme & Daughters")["jobs"][0]["job_id"] == job.name
    assert list_jobs(ACME)["total"] == 0
    frappe.set_user("Administrator")
    with pytest.raises(frappe.PermissionError):
        frappe.rename_doc("Organization", acme, "Test Acme", force=True)


def test_organizations_of_another_app_may_have_names_too(alice, job_type, monkeypatch):
    class Teams:
        names = {"T1": "North", "T2": "South"}  # noqa: RUF012

        def orgs_of(self, user):
            return ["T1"] if user == alice else []

        def is_member(self, user, organization):
            return organization in self.orgs_of(user)

        def is_admin(self, user, organization):
            return False

        def state_of(self, organization):
            return "Active" if organization in self.names else None

        def resolve(self, user, organization):
            return next((team for team in self.orgs_of(user) if self.names[team] == organization), None)

        def names_of(self, organizations):
            return {team: self.names[team] for team in organizations if team in self.names}

    monkeypatch.setattr(tenancy, "adapter", Teams)
    frappe.set_user(alice)
    job = submit_job(job_type, "North")
    assert job.organization == submit_job(job_type, "T1", {"n": 1}).organization == "T1"
    assert [one["organization_name"] for one in list_jobs("North")["jobs"]] == ["North", "North"]
    with pytest.raises(frappe.PermissionError):
        submit_job(job_type, "South")
