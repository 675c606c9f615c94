"""Two companies, their people and their jobs, for `./dev serve`.

`fill` makes them and tells who they are; `people` makes no jobs, so that workers are free for a developer's own.
`visit` submits another job every few seconds, as one of them.
`check` tells what is wrong with a developer's own types and hooks.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import secrets
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import frappe
from frappe.utils.password import update_password

from dartwing_core import install
from dartwing_core.jobs import batch, cancel_job, submit_job
from dartwing_core.jobs.types import handlers
from standalone.shop_jobs import (
    shop_delivery_note,
    shop_newsletter,
    shop_prices,
    shop_statement,
    shop_stock_count,
)

COMPANIES = ("Lighthouse Cafe", "Old Mill Press", "Quay Street School", "Tern Ferries")
SECONDS_BETWEEN = 6.0
PASSWORD = "look-around"
OURS = ("dartwing_core.", "standalone.")
SAMPLES = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account and a place in one of the companies."""

    name: str
    organization: str
    role: str

    @property
    def user(self) -> str:
        """The account."""
        return f"{self.name.lower()}@{self.organization.lower().replace(' ', '-')}.example"


PEOPLE = (
    Person("Ada", "Harbor Books", "Admin"),
    Person("Alice", "Harbor Books", "Member"),
    Person("Berta", "Alpine Tools", "Admin"),
    Person("Bob", "Alpine Tools", "Member"),
)


def main(_site: str) -> int:
    """One of these, as the command line says."""
    return {"fill": fill, "people": make_people, "visit": visit, "check": check}[sys.argv[1]]()


# Filling --------------------------------------------------------------------------------------------------------------


def fill() -> int:
    """Make all of it, and print what one needs to look around."""
    keys = make_accounts()
    frappe.get_doc("Job Type", "shop_newsletter").update({"is_paused": 1}).save()
    for person in PEOPLE:
        _first_jobs(person)
    _print_people(keys)
    return 0


def make_people() -> int:
    """Make the people alone, and print what one needs to submit jobs of the own types."""
    keys = make_accounts()
    _print_people(keys)
    for made in frappe.get_all("Job Type", ["name", "handler_method"], order_by="name"):
        if not made.handler_method.startswith(OURS):
            _print_submit(made.name, made.handler_method, keys[PEOPLE[0].user])
    return 0


def check() -> int:
    """Make the Job Types that the code declares. Print what keeps some of them from it, and wrong words in hooks."""
    install.sync_types()
    frappe.db.commit()
    return 0


def _print_submit(job_type: str, handler: str, key: str) -> None:
    """Print a call of REST that submits a job of this type."""
    declared = handlers.declared_of(handler)
    properties = declared.schema.get("properties", {}) if declared else {}
    parameters = {
        name: schema.get("default", SAMPLES.get(schema.get("type", ""))) for name, schema in properties.items()
    }
    body = {"job_type": job_type, "organization": PEOPLE[0].organization, "parameters": parameters}
    address = f"{os.environ.get('DW_URL', '')}/api/method/dartwing_core.api.jobs.submit_job"
    print(f"\n{job_type}, with parameters to change:")
    print(f'  curl -X POST -H "Authorization: token {key}" -H "Content-Type: application/json" {address} \\')
    print(f"    -d {shlex.quote(json.dumps(body))}")


def make_accounts() -> dict[str, str]:
    """Make companies and accounts. Returns the API key of each user."""
    check()
    for organization in dict.fromkeys(person.organization for person in PEOPLE):
        frappe.get_doc({"doctype": "Organization", "org_name": organization}).insert()
    keys = {person.user: _account(person) for person in PEOPLE}
    frappe.db.commit()
    return keys


def _account(person: Person) -> str:
    """Make the account. Returns its API key and secret, joined as Frappe wants them."""
    key, secret = secrets.token_hex(8), secrets.token_hex(8)
    values = {"email": person.user, "first_name": person.name, "send_welcome_email": 0}
    user = frappe.get_doc({"doctype": "User", **values, "api_key": key, "api_secret": secret})
    user.append_roles(*(["Dartwing User", "Dartwing Admin"] if person.role == "Admin" else ["Dartwing User"]))
    user.insert()
    update_password(person.user, PASSWORD)
    member = {"organization": person.organization, "user": person.user, "role": person.role}
    frappe.get_doc({"doctype": "Org Member", **member}).insert()
    return f"{key}:{secret}"


def _first_jobs(person: Person) -> None:
    """Jobs that end in each way, some that wait, a batch and a schedule."""
    frappe.set_user(person.user)
    where = person.organization
    for customer in COMPANIES:
        shop_statement.submit(where, customer=customer)
    for number in range(1, 4):
        shop_delivery_note.submit(where, number=number)
    shop_prices.submit(where, supplier="Lamb & Sons")
    shop_stock_count.submit(where, shelf="Shelf 1")
    shop_newsletter.submit(where)
    prices = {"supplier": "Otter Trading"}
    later = submit_job("shop_prices", where, prices, available_at=3_600)
    cancel_job(later.name, "The list is out of date")
    submit_job("shop_prices", where, prices, available_at=7_200)
    if person.role == "Admin":
        batch(*(shop_statement.job(customer=customer) for customer in COMPANIES[:2])).submit(where)
        _schedule(person)
    frappe.db.commit()
    frappe.set_user("Administrator")


def _schedule(person: Person) -> None:
    """Prices are imported each night."""
    values = {"title": "Prices, every night", "job_type": "shop_prices", "parameters": '{"supplier": "Lamb & Sons"}'}
    values |= {"organization": person.organization, "owner_user": person.user, "frequency": "Cron", "cron": "0 3 * * *"}
    frappe.get_doc({"doctype": "Job Schedule", **values}).insert()


def _print_people(keys: dict[str, str]) -> None:
    url = os.environ.get("DW_URL", "")
    print(f"\nJob center   {url}/job-center   password of all: {PASSWORD}")
    for person in PEOPLE:
        print(f"  {person.user:<28} {person.role.lower():<7} of {person.organization:<13} API key {keys[person.user]}")
    print("\nREST         as the first of them:")
    print(f'  curl -H "Authorization: token {keys[PEOPLE[0].user]}" {url}/api/method/dartwing_core.api.jobs.list_jobs')


# Going on -------------------------------------------------------------------------------------------------------------


KINDS: tuple[Callable[[str], object], ...] = (
    lambda where: shop_statement.submit(where, customer=random.choice(COMPANIES)),
    lambda where: shop_delivery_note.submit(where, number=random.randrange(1_000)),
    lambda where: shop_prices.submit(where, supplier="Lamb & Sons", pages=36),
)


def visit() -> int:
    """Submit a job every few seconds, until somebody ends this process. People and kinds take turns."""
    for person, kind in zip(itertools.cycle(PEOPLE), itertools.cycle(KINDS), strict=True):
        frappe.set_user(person.user)
        kind(person.organization)
        frappe.db.commit()
        time.sleep(SECONDS_BETWEEN)
    return 0
