"""Calling the running web app as a browser or an API client does."""

from __future__ import annotations

import os
import re
from typing import Any

import frappe
import requests
from frappe.utils.password import set_encrypted_password, update_password

import dartwing_core.api.jobs  # noqa: F401 - registers the endpoints
from dartwing_core.api.answers import Answer
from dartwing_core.api.endpoints import ENDPOINTS

API = "/api/method/dartwing_core.api.jobs."


class Client:
    """A session; every request names the site, as a bench with several sites needs it."""

    def __init__(self, url: str):
        self.url = url
        self.http = requests.Session()
        self.http.headers.update({"Host": os.environ["DW_SITE"], "Accept": "application/json"})

    def log_in(self, user: str, password: str) -> Client:
        """Log in with a cookie and fetch the CSRF token, as the Desk does."""
        answer = self.http.post(f"{self.url}/api/method/login", data={"usr": user, "pwd": password})
        assert answer.status_code == 200, answer.text
        desk = self.http.get(f"{self.url}/app", timeout=60).text
        token = re.search(r'csrf_token = "([^"]+)"', desk)
        assert token, "the Desk page holds the token"
        self.http.headers["X-Frappe-CSRF-Token"] = token[1]
        return self

    def with_token(self, user: str) -> Client:
        """Use an API key and secret."""
        self.http.headers["Authorization"] = f"token {new_token(user)}"
        return self

    def get(self, name: str, /, **params: Any) -> requests.Response:
        """GET a function of the API with these arguments."""
        return as_declared(name, self.http.get(self.url + API + name, params=params, timeout=30))

    def post(self, name: str, /, **body: Any) -> requests.Response:
        """POST to a function of the API, with these arguments as JSON."""
        return as_declared(name, self.http.post(self.url + API + name, json=body, timeout=30))

    def post_form(self, name: str, /, **fields: Any) -> requests.Response:
        """POST to a function of the API, with these arguments as form fields."""
        return self.http.post(self.url + API + name, data=fields, timeout=30)


def as_declared(name: str, answer: requests.Response) -> requests.Response:
    """The answer of an endpoint, whose content is what its model declares."""
    if answer.status_code == 200 and name in ENDPOINTS and issubclass(ENDPOINTS[name].answer, Answer):
        check_message(name, answer.json()["message"])
    return answer


def check_message(name: str, message: Any) -> None:
    """Compare an endpoint's answer with its model: it has each field of its type, and no other."""
    model: Any = ENDPOINTS[name].answer
    declared = model.model_validate(message).model_dump(mode="json", by_alias=True)
    differing = {key: value for key, value in message.items() if key not in declared or declared[key] != value}
    assert differing == {}, f"{name}: {differing}"


def rest(client: Client, verb: str, path: str, **values: Any) -> requests.Response:
    """Call `/api/resource/<path>` with these values of a document."""
    return client.http.request(verb, f"{client.url}/api/resource/{path}", json=values, timeout=60)


def new_token(user: str) -> str:
    """An API key and secret, joined as Frappe wants them. A saved User would clear every process's caches on 15."""
    key, secret = (frappe.generate_hash(length=15) for _part in range(2))
    shown = {"api_key": key, "api_secret": "*" * len(secret)}  # without it, the next save would delete the secret
    frappe.db.set_value("User", user, shown, update_modified=False)
    set_encrypted_password("User", user, secret, "api_secret")
    frappe.db.commit()
    return f"{key}:{secret}"


def set_password(user: str, password: str) -> None:
    """Set the password of a user; committed."""
    update_password(user, password)
    frappe.db.commit()


def forget_limits() -> None:
    """Begin the minute of every user's request limits anew."""
    for key in frappe.cache.keys(frappe.cache.make_key("dartwing_core:limit:").decode() + "*"):
        frappe.cache.delete(key)
