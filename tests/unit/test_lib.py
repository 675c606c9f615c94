"""The small things of `jobs/lib`: clock, names, clients of Redis, lost races, plain text, names of files."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import frappe
import pytest

from dartwing_core.jobs.job.job_files import LONGEST_NAME, free_name
from dartwing_core.jobs.lib import clock, ids, server_errors, texts
from dartwing_core.jobs.rq.redis_queue import ANSWER_TIMEOUT, client_of
from tests.support.database import DRIVERS


def test_site_time_and_back_with_its_offset(monkeypatch):
    monkeypatch.setattr(clock, "site_zone", lambda: ZoneInfo("Europe/Berlin"))
    utc = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
    assert clock.site_time(utc.timestamp()) == datetime(2026, 7, 1, 14)
    assert clock.to_epoch(datetime(2026, 7, 1, 14)) == clock.to_epoch(utc) == utc.timestamp()
    assert clock.isoformat(datetime(2026, 7, 1, 14)) == "2026-07-01T14:00:00+02:00"


def test_names_sort_in_the_order_of_their_making_and_fit_rq_and_frappe():
    # Regression 13: no counter. RQ from 2.1 on refuses other characters in an id; Frappe's name column holds 140.
    names = [ids.new_name("JOB") for _number in range(5_000)]
    assert names == sorted(set(names))
    assert re.fullmatch(r"JOB-[0-9A-Z]{20}", names[0])
    assert re.fullmatch(r"[A-Za-z0-9_-]+", ids.run_name(names[0], 12))


@pytest.mark.parametrize("address", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1"])
def test_any_kind_of_address_of_redis_has_a_client_that_gives_up_soon(address):
    # Seen failing on Frappe 15: a TypeError of redis-py 4.5 for a socket of the machine, which no caller expects.
    assert client_of(address).connection_pool.make_connection().socket_timeout == ANSWER_TIMEOUT


@pytest.mark.parametrize("driver", DRIVERS)
def test_lost_races_are_recognized_behind_frappes_wrappers(driver):
    deadlock, savepoint = driver.OperationalError(1213, "x"), "SAVEPOINT x does not exist"  # a deadlock before it
    for error in (deadlock, frappe.QueryDeadlockError(deadlock), driver.OperationalError(1305, savepoint)):
        assert server_errors.is_conflict(error)
    function = driver.OperationalError(1305, "FUNCTION x.y does not exist")
    for error in (function, driver.IntegrityError(1062, "duplicate"), ValueError(1213)):
        assert not server_errors.is_conflict(error)


# What exceptions say, as plain text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("Row <b>3</b>: <a href='/app/item/A&amp;B'>A&amp;B</a> is missing", "Row 3: A&B is missing"),
        (frappe.bold("Widget") + " can't be sold", "Widget can't be sold"),
        ("One<br>two<br/>three", "One\ntwo\nthree"),
        ('<p class="text-muted">Not  now</p><script>x < 1</script>', "Not now"),
        ("<style>a</style>b<SCRIPT src='x'>c<style>d</script >e<script>f", "bef"),
        ("<!DOCTYPE html><html><body><h1>502</h1>Bad Gateway</body></html>", "502\nBad Gateway"),
        ("Value &lt;b&gt; of <strong>Size</strong>", "Value <b> of Size"),
        # No HTML
        ("a < b", "a < b"),
        ("a<b and c>d", "a<b and c>d"),
        ("expected <class 'int'>, got <class 'str'>", "expected <class 'int'>, got <class 'str'>"),
        (
            "<Response [404]> from <https://example.com/?x=1&copy=2>",
            "<Response [404]> from <https://example.com/?x=1&copy=2>",
        ),
        ("<b>a</b> < c & d", "a < c & d"),
        ("", ""),
    ],
)
def test_tags_go_and_what_is_no_tag_stays(said, plain):
    # Seen failing with Frappe's `strip_html` in place of `plain`: "a<b and c>d" becomes "ad".
    assert texts.plain(said) == plain


def test_a_list_of_messages_is_one_on_each_line():
    assert texts.error_text(frappe.ValidationError(["<b>One</b>", "two"])) == "One\ntwo"
    assert texts.error_text(ValueError()) == ""
    assert texts.error_text(ValueError("a", "<b>")) == "('a', '')"


@pytest.mark.parametrize("piece", ["<", "<b ", "<b a=", '<b a="', "&", "<!doctype", "<b>", "</p><p>", "<script>"])
def test_a_text_made_to_be_slow_is_not(piece):
    began = time.monotonic()
    texts.plain(piece * (1_000_000 // len(piece)))
    assert time.monotonic() - began < 5


# Names of files, as the disk takes them -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("Report 2026.csv", "Report 2026.csv"),
        ("Übersicht für Zoë.xlsx", "Übersicht für Zoë.xlsx"),
        ("../../etc/passwd", "....etcpasswd"),
        ("a\0b\r\nc\x9f.txt", "abc.txt"),
        ("", "file"),
        ("..", "file"),
        ("x" * 300 + ".txt", "x" * 196 + ".txt"),
        ("ü" * 200 + ".txt", "ü" * 98 + ".txt"),
    ],
)
def test_a_name_loses_only_what_the_disk_does_not_take(given, stored):
    assert free_name(given) == stored


def test_a_second_equal_name_that_is_long_gets_a_number_too():
    longest = free_name("ü" * 300 + ".txt")
    second = free_name(longest, [longest])
    assert second.endswith("-2.txt")
    assert len(second.encode()) <= LONGEST_NAME
    assert free_name(longest, [longest, second]).endswith("-3.txt")
