"""Titles of columns and DocTypes with hyphens are names, and hide no SQL."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.wall import column_rules
from dartwing_core.wall.frappe_version import IS_15
from tests.support import records
from tests.support.http import Client, call


@pytest.mark.skipif(not IS_15, reason="16 takes no quoted titles")
@pytest.mark.parametrize(
    "title",
    ['"Count"', "'Count (all)'", "`Count (all)`", "'Anzahl/Tag'", '"Anzahl (Tage + ca)"', "'total,net'", "'It''s'"],
)
def test_people_may_give_a_column_a_title(web, alice, title):
    # Seen refused.
    client = Client(web).with_token(alice)
    for column in ("count(name)", "title"):
        answer = call(client, "frappe.client.get_list", doctype="Note", fields=[f"{column} as {title}"])
        assert answer.status_code == 200, answer.text


HYPHEN = "Test Hy-phen"
COUNTED = f"count(`tab{HYPHEN}`.`name`) as _aggregate_column" if IS_15 else {"COUNT": "name", "as": "number"}
ASKED_OF_IT = {
    "a list": ("frappe.desk.reportview.get", {"fields": [f"`tab{HYPHEN}`.`name`"],
                                              "order_by": f"`tab{HYPHEN}`.`modified` desc"}),
    "groups": ("frappe.desk.reportview.get", {"fields": [COUNTED, f"`tab{HYPHEN}`.`subject`"],
                                              "group_by": f"`tab{HYPHEN}`.`subject`"}),
    "an export": ("frappe.desk.reportview.export_query", {"fields": [f"`tab{HYPHEN}`.`subject`"],
                                                          "file_format_type": "CSV"}),
    "a link": ("frappe.desk.search.search_link", {"txt": "x"}),
    "a field": ("frappe.desk.listview.get_group_by_count", {"field": "subject", "current_filters": "[]"}),
    "a lookup": ("frappe.client.get_value", {"fieldname": "subject", "filters": {"subject": "x"}}),
}  # fmt: skip


def test_a_doctype_may_have_a_hyphen_in_its_name(web, alice):
    # Seen refused on Frappe 15: Desk could not show such a DocType to anybody but System Managers.
    fields = [{"fieldname": "subject", "fieldtype": "Data", "label": "Subject"}]
    records.make_doctype(HYPHEN, fields, [{"role": "All", "read": 1, "report": 1, "export": 1}], module="Core")
    frappe.db.commit()
    client, told = Client(web).with_token(alice), {}
    try:
        for what, (name, body) in ASKED_OF_IT.items():
            answer = call(client, name, doctype=HYPHEN, **body)
            told |= {what: answer.text} if answer.status_code != 200 else {}
    finally:
        frappe.db.rollback()
        records.remove_doctypes(HYPHEN)
        frappe.db.commit()
    assert told == {}


@pytest.mark.parametrize(
    "column",
    [
        f"`tab{HYPHEN}`.`name`",
        f"`tab{HYPHEN}`.*",
        f"count(`tab{HYPHEN}`.`name`) as _aggregate_column",
        f"`tab{HYPHEN}`.`modified` desc",
        f"`tab{HYPHEN}`.name as '{HYPHEN}:name'",
        "sum(amount) as 'total, net'",
        "subject as 'It''s'",
        'subject as "6""-pipe, short"',
        "grand_total as 'Betrag in € (brutto)'",
        "count(name) as 'Anzahl (%)'",
        "count(name) as `Anteil in %`",
        "name as 'Wer/Was*'",
        "`tabToDo`.`date`   desc",
        'is_paid as "Bezahlt? & gebucht!"',
        "coalesce(subject, \"-\", 'none') as subject",
    ],
)
def test_a_column_that_desk_or_people_write_is_no_sql(site, column):
    # Seen refused.
    assert column_rules.sql_within([column], [column], "left join", by_frappe=True) is None


def test_names_of_doctypes_with_hyphens_are_names_in_lookups_too(site):
    assert column_rules.is_name(f"ifnull(`tab{HYPHEN}`.`name`, '')")
    assert column_rules.is_value(f"max(`tab{HYPHEN}`.`name`)")


def test_the_name_of_a_doctype_begins_no_comment(site):
    assert column_rules.sql_within(["`tabA -- B`.`name`"], [], "left join", by_frappe=True)


@pytest.mark.parametrize(
    "title",
    [
        '"a"b"',
        "'a\\'",
        "`a`b`",
        "'a/*b'",
        "'50%d'",
        "'a%(b)s'",
        "'a %s'",
        "'a#b'",
        "'a' union 'b'",
        "'a''', 'b'",
        "'a\\''",
    ],
)
def test_a_title_ends_no_quote_and_begins_no_comment(site, title):
    # Frappe 15 writes one column behind the other.
    assert column_rules.sql_within([f"title as {title}"], [], "left join", by_frappe=True)
    assert column_rules.sql_within([f"count(name) as {title}"], [], "left join", by_frappe=True)


@pytest.mark.parametrize(
    "column",
    [
        """concat('"', (select 1), '"')""",
        """concat("'", (select 1), "'")""",
        """concat("\\"", sleep(1), "\\"")""",
        """concat("a" "b", 'c", sleep(1))""",
        """concat("a, (select 1))""",
    ],
)
def test_texts_in_a_function_hide_no_sql(site, column):
    assert column_rules.sql_within([column], [], "left join", by_frappe=True)
