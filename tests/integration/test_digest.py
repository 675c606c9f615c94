"""The daily e-mail about dead letters: to the admins of the organization alone, each job once."""

from __future__ import annotations

import email
import email.policy
import html
import re
from datetime import timedelta

import frappe
import pytest

from dartwing_core.jobs.monitoring import digest
from tests.support import factory, mail
from tests.support.database import explain
from tests.support.jobs import run, submitted
from tests.support.settings import settings


@pytest.fixture(autouse=True)
def account(site):
    with mail.outgoing_account():
        _delete_queue()
        frappe.db.set_single_value("Job Engine Settings", digest.UNTIL, None)
        frappe.db.commit()
        yield
    _delete_queue()
    frappe.db.commit()


def _delete_queue() -> None:
    frappe.db.delete("Email Queue")
    frappe.db.delete("Email Queue Recipient")


@pytest.fixture
def admin() -> str:
    name = factory.user("head", factory.ALPHA, org_role="Admin")
    factory.user("head_of_beta", factory.BETA, org_role="Admin")
    frappe.db.commit()
    return name


def dead(**parameters):
    job = submitted(factory.job_type("digest", "fails_with"), **parameters)
    run(job)
    return job


def queued() -> dict[str, str]:
    """The HTML of the queued e-mails by recipient."""
    frappe.db.rollback()
    recipients = frappe.get_all("Email Queue Recipient", fields=["parent", "recipient"])
    bodies = dict(frappe.get_all("Email Queue", fields=["name", "message"], as_list=True))
    return {row.recipient: _html(bodies[row.parent]) for row in recipients}


def _html(message: str) -> str:
    parts = email.message_from_string(message, policy=email.policy.default).walk()
    return next(part.get_content() for part in parts if part.get_content_type() == "text/html")


def test_the_admins_of_the_organization_alone_are_told(admin):
    # Broken by telling the admins of all organizations.
    dead(message="no such customer")
    dead(message="no such customer", number=2)
    assert digest.send_dead_letter_digest() == 1
    mails = queued()
    assert set(mails) == {admin}
    assert "test_digest" in mails[admin]
    assert "no such customer" in mails[admin]


def test_the_link_leads_to_where_one_may_look(admin):
    # Seen failing: admins without Desk were led there.
    portal = factory.user("portal_head", factory.ALPHA, org_role="Admin", roles=())
    dead(message="no such customer")
    try:
        assert digest.send_dead_letter_digest() == 2
        mails = queued()
    finally:
        factory.dismiss()
    links = {user: re.search(r'href="([^"]+Dead\+Letter)"', html.unescape(mails[user])) for user in mails}
    assert re.search(r"/(app|desk)/background-job\?organization=Test\+Alpha&status=Dead\+Letter", links[admin][1])
    assert links[portal][1].endswith("/job-center?organization=Test+Alpha&status=Dead+Letter")


def test_each_job_is_told_once(admin):
    # Broken by not keeping `digest_until`.
    dead(message="first")
    assert digest.send_dead_letter_digest() == 1
    assert digest.send_dead_letter_digest() == 0
    dead(message="second")
    assert digest.send_dead_letter_digest() == 1


def test_nothing_failed_nothing_sent(admin):
    run(submitted(factory.job_type("fine", "nothing")))
    assert digest.send_dead_letter_digest() == 0


def test_what_broke_off_is_told_the_next_time(admin, monkeypatch):
    # Broken by keeping the time in a commit of its own, before the e-mails.
    dead(message="first")
    monkeypatch.setattr(frappe.db, "set_single_value", lambda *_arguments, **_options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        digest.send_dead_letter_digest()
    monkeypatch.undo()
    assert queued() == {}
    assert digest.send_dead_letter_digest() == 1


def test_an_address_that_will_not_do_keeps_it_from_nobody_else(admin):
    second = factory.user("a_second_head", factory.ALPHA, org_role="Admin")
    frappe.db.set_value("User", second, "email", "not an address")
    dead(message="first")
    try:
        digest.send_dead_letter_digest()
        assert admin in queued()
    finally:
        frappe.delete_doc("Org Member", frappe.db.get_value("Org Member", {"user": second}), force=True)
        frappe.db.commit()


def test_a_mail_that_fails_keeps_it_from_nobody_else_and_is_no_half_mail(admin, monkeypatch):
    # Seen failing without the savepoint: what the broken mail had written was kept.
    second = factory.user("a_third_head", factory.ALPHA, org_role="Admin")
    send = frappe.sendmail

    def fail_for_one(**given):
        send(**given)
        if given["recipients"] == [second]:
            raise OSError("the attachment is gone")

    monkeypatch.setattr(frappe, "sendmail", fail_for_one)
    dead(message="first")
    try:
        assert digest.send_dead_letter_digest() == 1
        assert set(queued()) == {admin}
        assert digest.send_dead_letter_digest() == 0, "those who were told are not told again"
    finally:
        factory.dismiss()


def test_errors_are_shown_as_text(admin):
    dead(message="<script>alert(1)</script> & more <b>")
    digest.send_dead_letter_digest()
    assert "<script>alert" not in queued()[admin]
    assert "<b>" not in queued()[admin]


def test_it_can_be_switched_off(admin):
    dead(message="first")
    with settings(dead_letter_digest="Never"):
        assert digest.send_dead_letter_digest() == 0
    assert queued() == {}


def test_a_site_that_can_send_nothing_keeps_what_it_has_to_tell(admin):
    dead(message="first")
    frappe.db.set_value("Email Account", mail.ACCOUNT, "enable_outgoing", 0)
    frappe.db.commit()
    assert digest.send_dead_letter_digest() == 0
    frappe.db.set_value("Email Account", mail.ACCOUNT, "enable_outgoing", 1)
    frappe.db.commit()
    assert digest.send_dead_letter_digest() == 1


def test_its_query_reads_dead_letters_only():
    now = frappe.utils.now_datetime()
    assert "status" in explain(digest.failed_query(now - timedelta(days=1), now))[0]["key"]
