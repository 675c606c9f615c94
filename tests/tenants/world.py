"""Two organizations and their people, with something of each kind that is stored about each person's work.

Each text of it carries a word of its own, so that a plain search of any answer tells what that answer shows and whose:
`hush-<person>-<what>` stands in contents (parameters, results, logs, errors beyond their first line, files),
`tell-<person>-<what>` in labels (titles, progress, the first line of an error).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import frappe
import requests

from dartwing_core.jobs import PermanentError, batch, cancel_job, executor, job, job_handler, submit_job
from dartwing_core.jobs.lib import ids
from dartwing_core.jobs.operations import dead_letters
from tests.support import contents, factory
from tests.support.http import API, Client, as_declared

ALPHA, BETA = factory.ALPHA, factory.BETA
TYPE, PRIVATE_TYPE, BROKEN_TYPE = "test_tenants", "test_tenants_private", "test_tenants_broken"
FILE = "tell-file.txt"
MADE_BY_ATTACKERS = ("File", "ToDo", "Communication")
ROLE = "Test Desk"
"""A role of another app, which opens Desk and none of our DocTypes."""


@dataclass(frozen=True)
class Account:
    """A kind of account. `roles`: those beside the membership."""

    organization: str | None = None
    org_role: str = "Member"
    roles: tuple[str, ...] = ()
    sees: frozenset[str] = frozenset()
    """Whose work it may see: "own", "mate" (a colleague's), "far" (the other organization's)."""

    @property
    def has_desk(self) -> bool:
        """Whether a role lets it read our DocTypes."""
        return any(role.startswith(("Dartwing", "System")) for role in self.roles)

    @property
    def is_manager(self) -> bool:
        """Whether it sees everything."""
        return "System Manager" in self.roles

    @property
    def administers(self) -> frozenset[str]:
        """Of whose organization it sees what only admins see."""
        return self.sees if self.is_manager or self.org_role == "Admin" else frozenset()


OWN, MATES = frozenset({"own"}), frozenset({"own", "mate"})
ACCOUNTS = {
    "alpha member": Account(ALPHA, sees=OWN),
    "alpha member with Desk": Account(ALPHA, roles=(ROLE,), sees=OWN),
    "alpha org admin": Account(ALPHA, "Admin", sees=MATES),
    "alpha user": Account(ALPHA, roles=("Dartwing User",), sees=OWN),
    "alpha admin": Account(ALPHA, "Admin", ("Dartwing User", "Dartwing Admin"), MATES),
    "manager": Account(roles=("System Manager", "Dartwing User"), sees=frozenset({"own", "mate", "far"})),
    "guest": Account(),
    "former admin": Account(ALPHA, "Admin", ("Dartwing User", "Dartwing Admin")),
    "disabled": Account(ALPHA, roles=("Dartwing User",)),
}
NO_LOGIN = ("guest", "disabled")
MATES = {ALPHA: "alphamate", BETA: "betamate"}
"""The person whose work others want to know, by organization. A member with a role of ours."""


@dataclass(frozen=True)
class Work:
    """What is stored about a person's work: names by placeholder, as in `<job>`, and the words in its texts."""

    person: str
    organization: str
    names: dict[str, str] = field(default_factory=dict)

    def filled(self, value: Any) -> Any:
        """A value of a request with the placeholders of its texts replaced."""
        if isinstance(value, str):
            return re.sub(r"<(\w+)>", lambda found: self.names[found[1]], value)
        if isinstance(value, dict):
            return {self.filled(key): self.filled(item) for key, item in value.items()}
        return [self.filled(item) for item in value] if isinstance(value, list | tuple) else value

    def words(self, kind: str, text: str) -> set[str]:
        """The words of this kind, "hush" or "tell", that a text holds of this person."""
        found = set(re.findall(rf"{kind}-{self.person}-\w+", text))
        return found | {"hush-its-place"} if kind == "hush" and self.names["place"] in text else found


@dataclass(frozen=True)
class Request:
    """A request. Its texts hold placeholders such as `<job>`, which stand for the names of the work asked about."""

    verb: str
    path: str
    arguments: dict[str, Any] = field(default_factory=dict)
    """JSON, or the parameters of a GET."""

    def send(self, client: Client, work: Work) -> requests.Response:
        """The answer about this work. One of our endpoints has each field that its model declares, and no other."""
        path, arguments = work.filled(self.path), work.filled(self.arguments)
        if self.verb == "GET":
            params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
            answer = client.http.get(client.url + path, params=params, timeout=60)
        else:
            answer = client.http.request(self.verb, client.url + path, json=arguments, timeout=60)
        return as_declared(self.path.removeprefix(API), answer)


@job_handler
def does_all(context: Any) -> dict[str, Any]:
    """Leaves a log, a checkpoint, a file and a progress with words, then a result, or fails."""
    person, then = context.parameters["person"], context.parameters["then"]
    context.log(f"hush-{person}-log")
    context.update_progress(50, f"tell-{person}-progress", force=True)
    if then == "fail":
        try:
            raise ValueError(f"hush-{person}-cause")
        except ValueError as error:
            raise PermanentError(f"tell-{person}-error\nhush-{person}-error") from error
    context.checkpoint({"text": f"hush-{person}-state"})
    file = context.attach(f"hush-{person}-file", FILE)
    return {"text": f"hush-{person}-result", "output_reference": f"{file.file_url}#hush-{person}-output"}


def email_of(person: str) -> str:
    """The address of a person or an account."""
    return "Guest" if person == "guest" else f"test_t_{frappe.scrub(person)}@example.com"


def word_of(person: str) -> str:
    """How a person stands in words."""
    return re.sub(r"\W", "", person)


def wipe() -> None:
    """Take the work away, and what attackers have made."""
    factory.wipe()
    factory.dismiss()
    for doctype in MADE_BY_ATTACKERS:
        frappe.db.delete(doctype, {"owner": ["like", "test_t_%"]})
    frappe.db.commit()


class World:
    """All of it, made anew and committed."""

    def __init__(self) -> None:
        wipe()
        for organization in (ALPHA, BETA):
            factory.organization(organization)
        if not frappe.db.exists("Role", ROLE):
            frappe.get_doc({"doctype": "Role", "role_name": ROLE, "desk_access": 1}).insert()
        path = f"{__name__}.does_all"
        for name, shown in ((TYPE, "Owner and Admins"), (PRIVATE_TYPE, "Owner Only")):
            factory.job_type(name.removeprefix("test_"), path, results_visible_to=shown)
        factory.job_type(BROKEN_TYPE.removeprefix("test_"), path, enable_circuit_breaker=1)
        for name, account in ACCOUNTS.items():
            self._make(name, account)
        for organization, person in MATES.items():
            self._make(person, Account(organization, roles=("Dartwing User",)))
        frappe.db.commit()
        self._of: dict[str, Work] = {}

    @staticmethod
    def _make(person: str, account: Account) -> None:
        if person == "guest":
            return
        organizations = [account.organization] if account.organization else []
        email = factory.user(email_of(person)[5:-12], *organizations, roles=account.roles, org_role=account.org_role)
        assert email == email_of(person)
        frappe.db.set_value("User", email, "enabled", 1)
        own = {"user": email, "organization": account.organization or "x"}
        frappe.db.set_value("Org Member", own, {"status": "Active", "role": account.org_role})

    def of(self, account: str) -> dict[str, Work]:
        """The work that an account may ask for: its own, a colleague's, another organization's, and none."""
        kind = ACCOUNTS[account]
        home = kind.organization or ALPHA
        away = BETA if home == ALPHA else ALPHA
        own = self.work(account, home) if account != "guest" else self.work(MATES[home], home)
        return {"own": own, "mate": self.work(MATES[home], home), "far": self.work(MATES[away], away), "none": NONE}

    def work(self, person: str, organization: str) -> Work:
        """A person's work, made at its first use."""
        if person not in self._of:
            self._of[person] = _work(person, organization)
            self._end(person)
        return self._of[person]

    @staticmethod
    def _end(person: str) -> None:
        """End the standing of those who have lost it, after they have had work done."""
        if person == "former admin":
            frappe.db.set_value("Org Member", {"user": email_of(person)}, "status", "Inactive")
        if person == "disabled":
            frappe.db.set_value("User", email_of(person), "enabled", 0)
        frappe.db.commit()

    def client(self, account: str, url: str) -> Client:
        """A client with the account's API key."""
        client = Client(url)
        return client if account == "guest" else client.with_token(email_of(account))


def _work(person: str, organization: str) -> Work:
    """Five jobs by the engine's own ways, a batch with its callback, a schedule and an open circuit."""
    word, user = word_of(person), email_of(person)
    manager = person == "manager"
    frappe.set_user("Administrator" if manager else user)
    parameters = {"person": word, "text": f"hush-{word}-parameter"}

    def submitted(job_type: str, then: str, **more: Any) -> str:
        title = f"tell-{word}-title"
        made = submit_job(job_type, organization, {**parameters, "then": then}, title=title, **more)
        frappe.db.commit()
        return made.name

    done, private = submitted(TYPE, "return"), submitted(PRIVATE_TYPE, "return")
    dead = submitted(TYPE, "fail", tags=[f"tell-{word}-tag"])
    waiting, canceled = (submitted(TYPE, "wait", available_at="2099-01-01") for _number in range(2))
    cancel_job(canceled, reason=f"hush-{word}-reason")
    callback = job(TYPE, {**parameters, "then": "callback"}, title=f"tell-{word}-callback")
    failing = job(TYPE, {**parameters, "then": "fail", "of": "batch"}, key="failing", title=f"tell-{word}-member")
    member = job(TYPE, {**parameters, "then": "member"}, key="waiting", available_at="2099-01-01")
    description = f"tell-{word}-description"
    made_batch = batch(failing, member, on_success=callback, description=description).submit(organization)
    frappe.db.commit()
    failed = frappe.db.get_value("Background Job", {"parent_batch": made_batch.name, "job_key": "failing"})
    frappe.set_user("Administrator")
    for name in (done, private, dead, failed):
        executor.execute_job(name, 1)
    frappe.db.commit()
    if manager:
        for doctype in ("Background Job", "Job Batch"):
            frappe.db.sql(f"UPDATE `tab{doctype}` SET owner_user = %s WHERE owner_user = 'Administrator'", user)
    statuses = [frappe.db.get_value("Background Job", name, "status") for name in (done, private, dead, failed)]
    assert statuses == ["Completed", "Completed", "Dead Letter", "Dead Letter"], statuses
    names = {"job": done, "private": private, "dead": dead, "waiting": waiting, "canceled": canceled}
    names |= {"batch": made_batch.name, "schedule": _schedule(word, user, organization, parameters, done)}
    names |= {"circuit": _circuit(organization), "run": f"{done}-1", "deadrun": f"{dead}-1"}
    names |= {"log": frappe.db.get_value("Job Execution Log", {"background_job": dead, "to_status": "Dead Letter"})}
    errors = dead_letters.dead_letters_by_error(organization, TYPE)
    names |= {"fingerprint": next(one["fingerprint"] for one in errors if one["error"] == f"tell-{word}-error")}
    names |= {"file": FILE, "organization": organization, "user": user, "title": f"tell-{word}-title"}
    names |= {"token": frappe.db.get_value("Background Job", done, "sealed_result")}
    names |= {"address": _guess(done), "place": _place(done)}
    frappe.db.commit()
    return Work(word, organization, names)


def _schedule(word: str, user: str, organization: str, parameters: dict[str, Any], last: str) -> str:
    values = {"doctype": "Job Schedule", "title": f"tell-{word}-schedule", "organization": organization}
    values |= {"job_type": TYPE, "parameters": frappe.as_json({**parameters, "then": "return"}), "frequency": "Cron"}
    made = frappe.get_doc({**values, "cron": "0 7 * * *", "time_zone": "UTC", "enabled": 1}).insert()
    contents.store(made.name, {"last_error": f"hush-{word}-refusal"}, "Job Schedule")
    state = {"owner": user, "owner_user": user, "last_job": last, "look_at_epoch": 4e9, "next_run_epoch": 4e9}
    frappe.db.set_value("Job Schedule", made.name, state)
    return str(made.name)


def _guess(job_name: str) -> str:
    """An address at which a job's file might lie, as far as anybody can know it."""
    return f"/private/files/dartwing_core/{job_name}/1-{'0' * 32}/{FILE}"


def _place(job_name: str) -> str:
    """The 128 random bits in the address at which it does lie. They stand in no answer."""
    folder = Path(frappe.get_site_path("private", "files", "dartwing_core", job_name))
    return next(folder.glob("*/*")).parent.name.partition("-")[2]


def _circuit(organization: str) -> str:
    """The open circuit of the organization, one for all of its people."""
    if found := frappe.db.get_value("Job Circuit", {"organization": organization}):
        return str(found)
    now = frappe.utils.now()
    row = {"name": ids.new_name("CIRCUIT"), "organization": organization, "job_type": BROKEN_TYPE, "status": "Open"}
    row |= {"opened_at": now, "open_until": "2099-01-01", "open_until_epoch": 4e9, "creation": now, "modified": now}
    row |= {"owner": "Administrator", "probe_job": f"tell-{MATES[organization]}-probe"}
    frappe.qb.into(frappe.qb.DocType("Job Circuit")).columns(*row).insert(*row.values()).run()
    return row["name"]


NOWHERE = "1K00000000000NOWHERE"
NONE = Work(
    "nobody",
    "Test Nowhere",
    dict.fromkeys(("job", "private", "dead", "waiting", "canceled"), f"JOB-{NOWHERE}")
    | {"batch": f"BATCH-{NOWHERE}", "schedule": f"SCHEDULE-{NOWHERE}", "circuit": f"CIRCUIT-{NOWHERE}"}
    | {"run": f"JOB-{NOWHERE}-1", "deadrun": f"JOB-{NOWHERE}-1", "log": f"LOG-{NOWHERE}", "file": FILE}
    | {"organization": "Test Nowhere", "user": "test_nobody@example.com", "title": "tell-nobody-title"}
    | {"fingerprint": "nothing", "token": "gAAAAnothing", "place": "nowhere at all"}
    | {"address": _guess(f"JOB-{NOWHERE}")},
)
"""Work that does not exist."""
