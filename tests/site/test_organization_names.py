"""An organization is stored by an id that says nothing and is never used again, and asked for by that or its name."""

from __future__ import annotations

import re
from types import SimpleNamespace

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidJobError,
    batch,
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
from dartwing_core.jobs.access import standing, tenancy, visibility
from dartwing_core.jobs.errors import DuplicateJobError
from dartwing_core.jobs.operations import batches, dead_letters
from dartwing_core.jobs.read import figures
from tests.support import circuits, database, factory, named, schedules
from tests.support.jobs import run

ID = re.compile(r"ORG-[0-9A-Z]{20}")
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
    made = factory.job_type("plain", deduplication_window=300)
    frappe.db.commit()
    return made


def counts(organization: str) -> dict[str, int]:
    """Without the moments since when it counts."""
    return {kind: number for kind, number in get_job_counts(organization).items() if isinstance(number, int)}


def test_an_organization_gets_an_id_that_says_nothing(acme):
    assert ID.fullmatch(acme)
    assert frappe.get_doc("Organization", acme).get_title() == ACME
    assert frappe.get_meta("Organization").show_title_field_in_link


@pytest.mark.parametrize("is_manager", [False, True])
def test_a_job_is_submitted_by_name_and_stored_by_id(acme, anna, job_type, is_manager):
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


def test_a_batch_may_mix_both_spellings(acme, anna, job_type):
    frappe.set_user(anna)
    parts = [batches.job(job_type, {"n": 1}), {"job_type": job_type, "organization": ACME, "parameters": {"n": 2}}]
    for spelling in (ACME, acme):
        made = batch(*parts, on_success={"job_type": job_type, "organization": ACME}).submit(spelling)
        rows = frappe.get_all("Background Job", {"parent_batch": made.name}, pluck="organization")
        assert (made.organization, set(rows)) == (acme, {acme})
        frappe.db.rollback()


@pytest.mark.parametrize("is_manager", [False, True])
def test_everything_that_takes_an_organization_takes_its_name(acme, other, anna, is_manager):
    job_type = circuits.breaking_type()
    factory.member(anna, other, "Admin")
    schedule = schedules.made(job_type, organization=ACME, parameters={"plan": ["ok"]})
    made = submit_batch(ACME, [batches.job(job_type, {"plan": ["dead"], "n": 1})])
    plans = ["ok", *["fail"] * circuits.SAMPLES]
    ended = [submit_job(job_type, ACME, {"plan": [plan], "n": n}) for n, plan in enumerate(plans)]
    submit_job(job_type, OTHER, {"plan": ["ok"]})
    frappe.db.commit()
    for job in ended:
        run(job)
    frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Dead Letter' WHERE parent_batch = %s", made.name)
    frappe.db.commit()
    assert schedule.organization == acme
    frappe.set_user("Administrator" if is_manager else anna)
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


@pytest.mark.parametrize("spelling", OTHER_SPELLINGS)
def test_other_spellings_name_nothing(acme, anna, job_type, spelling):
    for user, error in ((anna, frappe.PermissionError), ("Administrator", InvalidJobError)):
        frappe.set_user(user)
        for submit in (
            lambda: submit_job(job_type, spelling),
            lambda: submit_batch(spelling, [batches.job(job_type)]),
        ):
            with pytest.raises(error):
                submit()


def test_a_foreign_organization_answers_as_one_that_is_missing(acme, job_type, bob):
    loner = factory.user("loner")
    for user in (bob, loner):
        frappe.set_user(user)
        answers = []
        for asked in (acme, ACME, "Test Nowhere"):
            for ask in (
                lambda asked: submit_job(job_type, asked),
                lambda asked: submit_batch(asked, [batches.job(job_type)]),
                lambda asked: manually_close_circuit(job_type, asked),
                lambda asked: schedules.document(job_type, organization=asked).insert(),
                lambda asked: list_jobs(asked),
            ):
                try:
                    answers.append(str(ask(asked)).replace(asked, "$"))
                except Exception as error:
                    answers.append(f"{type(error).__name__} {str(error).replace(asked, '$')}")
                frappe.clear_messages()
        by_id, by_name, missing = answers[:5], answers[5:10], answers[10:]
        assert by_name == missing
        # Of a document's link Frappe asks whether it is there, and of an id that can't be guessed.
        assert [*by_id[:3], by_id[4]] == [*missing[:3], missing[4]]


def test_members_and_schedules_are_made_by_name(acme, anna, alice, job_type):
    frappe.get_doc({"doctype": "Org Member", "organization": ACME, "user": alice}).insert()
    assert frappe.db.exists("Org Member", {"organization": acme, "user": alice})
    frappe.set_user(anna)
    assert schedules.document(job_type, organization=ACME).insert().organization == acme


def test_submitting_by_name_costs_no_statement_more(acme, anna, job_type):
    frappe.db.commit()
    frappe.set_user(anna)
    costs = []
    for spelling in (acme, ACME):
        submit_job(job_type, spelling, {"warm": spelling})
        frappe.db.commit()
        with database.statements() as seen:
            submit_job(job_type, spelling, {"n": spelling})
        frappe.db.commit()
        costs.append(len(seen))
    assert costs[0] == costs[1] <= 5


def test_another_organization_of_an_old_name_inherits_nothing(job_type):
    # Seen failing while the name was the id: the second one's members saw the first one's jobs.
    user = factory.user("heir")
    frappe.db.commit()
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


def test_what_a_text_means():
    names = {"ORG-1": "North", "ORG-2": "South", "South": "East", "ORG-3": "Twin", "ORG-4": "Twin"}
    assert standing.resolve_name("ORG-1", names) == "ORG-1"
    assert standing.resolve_name("North", names) == "ORG-1"
    assert standing.resolve_name("South", names) == "South", "an id goes before a name"
    assert standing.resolve_name("South", names, own=["ORG-2"]) == "ORG-2", "and one's own organizations before others"
    assert standing.resolve_name("Twin", names) is None
    assert standing.resolve_name("Twin", names, own=["ORG-4"]) == "ORG-4"
    assert standing.resolve_name("West", names) is None


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


def test_an_organization_that_one_may_not_see_does_not_load_in_a_request(acme, anna, bob):
    frappe.local.request = SimpleNamespace(path="/")
    visibility.forget()  # a real request has a `frappe.local` of its own
    try:
        member = frappe.db.get_value("Org Member", {"user": anna, "organization": acme})
        frappe.set_user(anna)
        assert frappe.get_doc("Organization", acme).org_name == ACME
        assert frappe.get_doc("Org Member", member).user == anna
        frappe.set_user(bob)
        for doctype, name in (("Organization", acme), ("Org Member", member)):
            with pytest.raises(frappe.DoesNotExistError) as hidden:
                frappe.get_doc(doctype, name)
            with pytest.raises(frappe.DoesNotExistError) as missing:
                frappe.get_doc(doctype, "Test Nowhere")
            assert str(hidden.value).replace(name, "$") == str(missing.value).replace("Test Nowhere", "$")
    finally:
        frappe.set_user("Administrator")
        del frappe.local.request
