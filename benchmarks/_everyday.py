"""A web process of one site for `everyday`: answers each line "KIND ROUNDS" with milliseconds and statements, as JSON.

It imports nothing of this app: whatever of it is loaded comes by Frappe's hooks.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import frappe
import frappe.app
from frappe.database.database import Database
from werkzeug.test import Client

USER = "everyday@example.com"
Call = tuple[str, str, dict[str, Any]]


def prepare(site: str) -> dict[str, str]:
    """An ordinary user with a key, and a few documents to read. Returns the headers of their requests."""
    frappe.init(site)
    frappe.connect()
    if not frappe.db.exists("User", USER):
        values = {"doctype": "User", "email": USER, "first_name": "Everyday", "send_welcome_email": 0}
        frappe.get_doc({**values, "roles": [{"role": "Desk User"}]}).insert(ignore_permissions=True)
    user = frappe.get_doc("User", USER)
    user.api_key, user.api_secret = "everyday", "everyday-secret"
    user.save(ignore_permissions=True)
    if not frappe.db.exists("ToDo", {"allocated_to": USER}):
        for number in range(50):
            todo = {"doctype": "ToDo", "description": f"everyday {number}", "allocated_to": USER, "owner": USER}
            frappe.get_doc(todo).insert(ignore_permissions=True)
    frappe.db.commit()
    frappe.destroy()
    return {"Authorization": "token everyday:everyday-secret", "X-Frappe-Site-Name": site}


def calls(todo: str) -> dict[str, Callable[[], Call]]:
    """The requests by kind; each call makes the next one."""
    method = "/api/method/frappe"
    columns = json.dumps(["`tabToDo`.`name`", "`tabToDo`.`description`"])
    return {
        "ping": lambda: ("GET", f"{method}.ping", {}),
        "list by REST": lambda: ("GET", "/api/resource/ToDo", {"query_string": {"limit_page_length": 20}}),
        "document by REST": lambda: ("GET", f"/api/resource/ToDo/{todo}", {}),
        "list in Desk": lambda: ("POST", f"{method}.desk.reportview.get", {"data": {
            "doctype": "ToDo", "fields": columns, "filters": "[]", "start": 0, "page_length": 20}}),
        "count": lambda: ("POST", f"{method}.desk.reportview.get_count", {"data": {
            "doctype": "ToDo", "fields": "[]", "filters": "[]", "distinct": "false"}}),
        "form": lambda: ("GET", f"{method}.desk.form.load.getdoc", {"query_string": {"doctype": "ToDo", "name": todo}}),
        "link search": lambda: ("POST", f"{method}.desk.search.search_link", {"data": {
            "doctype": "ToDo", "txt": "", "page_length": 10}}),
        "insert": lambda: ("POST", "/api/resource/ToDo", {"json": {"description": "new", "allocated_to": USER}}),
        "save": lambda: ("PUT", f"/api/resource/ToDo/{todo}", {"json": {"description": f"at {time.time()}"}}),
        "upload": lambda: ("POST", f"{method}.handler.upload_file", {"data": {
            "is_private": "1", "file": (io.BytesIO(f"{time.time()}".encode()), f"test-{time.time()}.txt")}}),
    }  # fmt: skip


def main() -> None:
    headers = prepare(sys.argv[1])
    client = Client(frappe.app.application)

    def send(call: Call) -> Any:
        answer = client.open(call[1], method=call[0], headers=headers, **call[2])
        if answer.status_code != 200:
            raise SystemExit(f"{call[:2]}: {answer.status_code} {answer.get_data(as_text=True)[:500]}")
        return answer

    listed = send(("GET", "/api/resource/ToDo", {"query_string": {"limit_page_length": 1}}))
    kinds = calls(listed.get_json()["data"][0]["name"])
    statements = 0
    sql = Database.sql

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal statements
        statements += 1
        return sql(*arguments, **named)

    print(json.dumps(list(kinds)), flush=True)
    for line in sys.stdin:
        kind, rounds = line.rstrip("\n").rsplit(" ", 1)
        times = []
        for _round in range(int(rounds)):
            call = kinds[kind]()
            began = time.perf_counter()
            send(call)
            times.append(1000 * (time.perf_counter() - began))
        Database.sql, statements = counting, 0
        send(kinds[kind]())
        Database.sql = sql
        print(json.dumps({"times": times, "statements": statements, "memory": memory()}), flush=True)


def memory() -> float:
    """Megabytes of this process in memory."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
