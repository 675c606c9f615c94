"""No content lies in the clear in the database or in Redis: as a backup, or whoever reads either, would see it."""

from __future__ import annotations

import pickle
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import frappe
import pytest

from tests.support import processes

from .doors import DOORS

HUSH = re.compile(rb"hush-\w+-\w+")
TEXT_TYPES = ("char", "varchar", "text", "mediumtext", "longtext", "tinytext", "json", "blob", "longblob", "mediumblob")


@pytest.fixture(scope="module")
def asked_for(clients, world) -> None:
    """People have looked at what they may see, so that caches hold what they ever would."""
    for account, relation in (("alpha user", "own"), ("alpha admin", "mate"), ("manager", "far")):
        for door in DOORS.values():
            door.send(clients[account], world.of(account)[relation])


def rows_with_words() -> Iterator[str]:
    """Tables and columns with a word of a content."""
    frappe.db.rollback()
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
    for table, column in frappe.db.sql(f"{query} AND data_type IN %s", (TEXT_TYPES,)):
        if found := frappe.db.sql(f"SELECT `{column}` FROM `{table}` WHERE `{column}` LIKE '%%hush-%%' LIMIT 1"):
            yield f"{table}.{column}: {found[0][0][:200]}"


def test_the_database_holds_no_content_in_the_clear(asked_for, kept, world):
    schedule = world.of("alpha admin")["own"].names["schedule"]
    document = frappe.get_doc("Job Schedule", schedule)
    document.add_comment("Comment", "x")
    document.save()
    frappe.delete_doc("Job Schedule", schedule)
    frappe.db.commit()
    assert frappe.db.exists("Deleted Document", {"deleted_name": schedule}), "deleting it keeps something"
    assert frappe.db.count("Background Job", {"sealed_result": ["like", "gAAAA%"]}), "something is stored"
    assert list(rows_with_words()) == []


def values_of(client) -> Iterator[bytes]:
    """All that a Redis holds, also what is compressed there."""
    for key in client.keys("*"):
        kind = client.type(key)
        found = {
            b"string": lambda key: [client.get(key)],
            b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": lambda key: list(client.smembers(key)),
            b"zset": lambda key: client.zrange(key, 0, -1),
        }.get(kind, lambda _key: [])(key)
        for value in (key, *found):
            yield value
            try:
                yield zlib.decompress(value)
            except zlib.error:
                continue


def test_redis_holds_no_content(asked_for, world):
    frappe.get_cached_doc("Job Schedule", world.of("alpha user")["own"].names["schedule"])
    frappe.get_cached_doc("Background Job", world.of("alpha user")["own"].names["job"])
    number = 0
    for client in (frappe.cache, processes.queue_client()):
        for value in values_of(client):
            number += 1
            assert not HUSH.search(value), value[:2_000]
    assert number > 100
    assert not HUSH.search(pickle.dumps(frappe.get_doc("Background Job", world.of("alpha user")["own"].names["job"])))


def test_files_lie_where_no_name_leads(clients, world):
    work = world.of("alpha user")["own"]
    folder = Path(frappe.get_site_path("private", "files", "dartwing_core", work.names["job"]))
    (path,) = folder.glob("*/*")
    assert path.name == work.names["file"]
    assert re.fullmatch(r"1-[0-9a-f]{32}", path.parent.name), "128 random bits"
    assert not frappe.db.exists("File", {"file_url": ["like", f"%{folder.name}%"]})
    for client in clients.values():  # it opens to nobody, not even its owner
        told = client.http.get(f"{client.url}/private/files/dartwing_core/{folder.name}/{path.parent.name}/{path.name}")
        assert told.status_code in (401, 403, 404), told.text
