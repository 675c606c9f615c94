"""Names of what may not be seen, spelled so that only the database takes them for the name: nothing is learned.

MariaDB pads with blanks, passes over invisible marks, and takes combining letters, digits of other scripts and forms
of letters for one another. A hidden and a missing name answer alike in each spelling, and nothing is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import frappe
import pytest

from dartwing_core.jobs.base.texts import cut
from tests.support import http, named, records, tenants
from tests.support.http import Client
from tests.support.named_requests import JOB, document, method, send
from tests.support.tenants import NOWHERE

LINKING = "Test Spelled"
OLD, NO_OLD = "Test Old Beta 7", "Test Old Nada 7"
"""An organization from before they had random ids, and none."""
SECRET = "s3cret of Alpha"
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: name,
    "300 blanks": lambda name: name + " " * 300,
    "zero-width space": lambda name: name[:3] + "\u200b" + name[3:],
    "400 zero-width spaces": lambda name: name + "\u200b" * 400,
    "no-break space": lambda name: name + "\u00a0",
    "full-width": lambda name: chr(ord(name[0]) + 0xFEE0) + name[1:],
    "digits of another script": lambda name: name.translate(ARABIC),
    "combining letters": lambda name: "".join(letter + chr(0x363 + n % 13) for n, letter in enumerate(name)),
    "soft hyphen": lambda name: name[:2] + "\u00ad" + name[2:],
    "grapheme joiner": lambda name: name[:2] + "\u034f" + name[2:],
    "case": str.swapcase,
    "NUL": lambda name: name + "\0",
    "too long": lambda name: name + " " * 5000,
}

LINK = document(LINKING, **{"$field": "$"})
SAVED = {**LINK, "__islocal": 1}
DYNAMIC = document(LINKING, kind="$doctype", other="$")
WAYS: dict[str, tuple[str, str, Any]] = {
    "POST": ("POST", f"/api/resource/{LINKING}", LINK),
    "v2 POST": ("POST", f"/api/v2/document/{LINKING}", LINK),
    "insert": method("frappe.client.insert", doc=LINK),
    "insert many": method("frappe.client.insert_many", docs=[LINK]),
    "form": method("frappe.desk.form.save.savedocs", doc=json.dumps(SAVED), action="Save"),
    "dynamic": method("frappe.client.insert", doc=DYNAMIC),
    "PUT": ("PUT", f"/api/resource/{LINKING}/$row", {"$field": "$"}),
    "set_value": method("frappe.client.set_value", doctype=LINKING, name="$row", fieldname="$field", value="$"),
    "bulk_update": method(
        "frappe.client.bulk_update", docs=json.dumps([{**LINK, "docname": "$row", "title": "changed"}])
    ),
    "print": method("frappe.www.printview.get_html_and_style", doc=json.dumps({**LINK, "name": "x"})),
    "GET": ("GET", "/api/resource/$doctype/$", None),
    "expand_links": ("GET", "/api/resource/$doctype/$?expand_links=1", None),
    "get": method("frappe.client.get", doctype="$doctype", name="$"),
    "get_value": method("frappe.client.get_value", doctype="$doctype", fieldname="name", filters={"name": "$"}),
    "get_list": method("frappe.client.get_list", doctype="$doctype", filters={"name": "$"}),
    "get_count": method("frappe.client.get_count", doctype="$doctype", filters={"name": "$"}),
    "reportview": method("frappe.desk.reportview.get", doctype="$doctype", fields=["name"], filters={"name": "$"}),
    "link title": method("frappe.desk.search.get_link_title", doctype="$doctype", docname="$"),
    "validate_link": method("frappe.client.validate_link", doctype="$doctype", docname="$"),
    "validate_link_and_fetch": method("frappe.client.validate_link_and_fetch", doctype="$doctype", docname="$"),
    "rename": method("frappe.client.rename_doc", doctype="$doctype", old_name="$", new_name="x"),
    "delete": method("frappe.client.delete", doctype="$doctype", name="$"),
    "DELETE": ("DELETE", "/api/resource/$doctype/$", None),
    "delete_items": method("frappe.desk.reportview.delete_items", doctype="$doctype", items=json.dumps(["$"])),
    "tag": method("frappe.desk.doctype.tag.tag.add_tag", tag="x", dt="$doctype", dn="$"),
    "like": method("frappe.desk.like.toggle_like", doctype="$doctype", name="$", add="Yes"),
    "relink": method("frappe.email.relink", name="$mail", reference_doctype="$doctype", reference_name="$"),
    "comment": method(
        "frappe.client.insert", doc=document("Comment", comment_type="Comment", content="x",
                                             reference_doctype="$doctype", reference_name="$"),
    ),
    "add_comment": method(
        "frappe.desk.form.utils.add_comment", reference_doctype="$doctype", reference_name="$", content="x",
        comment_email="x@example.com", comment_by="x",
    ),
    "assignment": method(
        "frappe.desk.form.assign_to.add", doctype="$doctype", name="$", assign_to='["test_bob@example.com"]'
    ),
    "share": method("frappe.share.add", doctype="$doctype", name="$", user="test_bob@example.com"),
    "follow": method(
        "frappe.desk.form.document_follow.update_follow", doctype="$doctype", doc_name="$", following=True
    ),
    "like of a page": method(
        "frappe.templates.includes.likes.likes.like", reference_doctype="$doctype", reference_name="$", like=1
    ),
    "open count": method("frappe.desk.notifications.get_open_count", doctype="$doctype", name="$"),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(_connected) -> Iterator[dict[str, str]]:
    """A job and an old organization that nobody here sees, and a DocType that copies from what it links to."""
    fields = [
        {"fieldname": "title", "fieldtype": "Data", "label": "Title"},
        {"fieldname": "job", "fieldtype": "Link", "options": JOB, "label": "Job"},
        {"fieldname": "error", "fieldtype": "Data", "label": "Error", "fetch_from": "job.error_message"},
        {"fieldname": "organization", "fieldtype": "Link", "options": "Organization", "label": "Organization"},
        {"fieldname": "org_type", "fieldtype": "Data", "label": "Org Type", "fetch_from": "organization.org_type"},
        {"fieldname": "kind", "fieldtype": "Link", "options": "DocType", "label": "Kind"},
        {"fieldname": "other", "fieldtype": "Dynamic Link", "options": "kind", "label": "Other"},
    ]
    permissions = [{"role": "All", "read": 1, "write": 1, "create": 1, "print": 1}]
    records.make_doctype(LINKING, fields, permissions, module="Core")
    job = tenants.targets("user")["alpha"].name
    frappe.db.set_value(JOB, job, "error_message", SECRET)
    mail = frappe.get_doc({"doctype": "Communication", "communication_type": "Communication", "subject": "x"})
    mail.db_insert()
    frappe.db.commit()
    with named.old_organization(OLD):
        yield {"job": job, "mail": mail.name}
    records.remove_doctypes(LINKING)
    frappe.db.delete("Communication", {"name": mail.name})
    frappe.db.commit()


def filled(value: Any, replaced: dict[str, str]) -> Any:
    """The value with these put in; within JSON text as JSON has them."""
    if isinstance(value, dict):
        return {filled(key, replaced): filled(inner, replaced) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, replaced) for inner in value]
    if not isinstance(value, str):
        return value
    if value[:1] in ("{", "["):
        return json.dumps(filled(json.loads(value), replaced))
    for key, text in replaced.items():
        value = value.replace(key, text)
    return value


def told(client: Client, way: str, name: str, replaced: dict[str, str]) -> tuple[int, str]:
    """The answer about a name, without the name."""
    verb, path, body = WAYS[way]
    replaced = {**replaced, "$": name}
    answer = send(client, verb, filled(path, replaced), "", filled(body, replaced))
    status, text = tenants.plain(answer, "nothing like it")
    text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    for spelled in (name, cut(name), name.rstrip()):
        text = text.replace(spelled, "$")
    return status, text.replace("\u00a0", "")


def asked() -> Iterator[tuple[str, str]]:
    """Ways and spellings: all that save, and some of the others, where an exact name is compared."""
    ways = [*WAYS]
    few = ("as it is", "300 blanks", "400 zero-width spaces", "combining letters")
    for way in ways:
        for spelling in SPELLINGS if ways.index(way) <= ways.index("print") else few:
            yield way, spelling


def learned(client: Client, hidden: str, missing: str, replaced: dict[str, str]) -> Iterator[str]:
    for way, spelling in asked():
        spell = SPELLINGS[spelling]
        answers = [told(client, way, spell(name), replaced) for name in (hidden, missing)]
        if answers[0] != answers[1] or SECRET in answers[0][1]:
            yield f"{way}, {spelling}: {answers[0][0]} {answers[0][1][:250]} | {answers[1][0]} {answers[1][1][:250]}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("actor", "kind"),
    [("roleless", "job"), ("user", "job"), ("roleless", "organization"), ("user", "organization"),
     ("admin_b", "organization")],
)  # fmt: skip
def test_nothing_is_learned_of_a_hidden_name_in_any_spelling(web, world, actor, kind):
    http.forget_limits()
    client = tenants.client_of(actor, web)
    row = client.http.post(f"{web}/api/resource/{LINKING}", json={"title": "own"}, timeout=60).json()["data"]["name"]
    replaced = {"$field": kind, "$row": row, "$mail": world["mail"]}
    replaced["$doctype"] = JOB if kind == "job" else "Organization"
    hidden, missing = (world["job"], NOWHERE) if kind == "job" else (OLD, NO_OLD)
    wrong = [*learned(client, hidden, missing, replaced)]
    frappe.db.rollback()
    linked = frappe.get_all(LINKING, filters={kind: ["is", "set"]}, or_filters={"other": ["is", "set"]})
    mail = frappe.db.get_value("Communication", world["mail"], "reference_name")
    assert wrong == [], f"{len(wrong)}\n" + "\n".join(wrong[:40])
    assert (linked, mail) == ([], None), "nothing is written"


def test_the_database_takes_most_spellings_for_the_name(world):
    same = {
        spelling
        for spelling, spell in SPELLINGS.items()
        if frappe.db.sql("SELECT COUNT(*) FROM `tabOrganization` WHERE name = %s", (spell(OLD),))[0][0]
    }
    assert len(same) > 6, same


def test_what_one_sees_is_linked_to_as_before(web, world):
    client, own = tenants.client_of("user", web), tenants.targets("user")["own"].name
    made = client.http.post(f"{web}/api/resource/{LINKING}", json={"job": own}, timeout=60)
    assert made.status_code == 200, made.text
    assert made.json()["data"]["error"], "copied"
    manager = tenants.client_of("manager", web)
    for organization in (OLD, OLD.lower()):
        made = manager.http.post(f"{web}/api/resource/{LINKING}", json={"organization": organization}, timeout=60)
        assert made.json()["data"]["organization"] == OLD, "as Frappe does it for who sees all"


def test_a_link_that_is_hidden_by_now_stays_as_it_is_and_copies_nothing_more(web, world):
    client, own = tenants.client_of("user", web), tenants.targets("user")["own"].name
    made = client.http.post(f"{web}/api/resource/{LINKING}", json={"job": own}, timeout=60).json()["data"]
    frappe.db.sql(
        f"UPDATE `tab{JOB}` SET owner_user = 'Administrator', error_message = %s WHERE name = %s", (SECRET, own)
    )
    frappe.db.commit()
    saved = client.http.put(f"{web}/api/resource/{LINKING}/{made['name']}", json={"title": "changed"}, timeout=60)
    assert saved.status_code == 200, saved.text
    assert (saved.json()["data"]["job"], saved.json()["data"]["error"]) == (own, made["error"])
