"""What exceptions say, as plain text."""

from __future__ import annotations

import time

import frappe
import pytest

from dartwing_core.jobs.lib import plain_text


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
    assert plain_text.plain(said) == plain


def test_a_list_of_messages_is_one_on_each_line():
    assert plain_text.of_error(frappe.ValidationError(["<b>One</b>", "two"])) == "One\ntwo"
    assert plain_text.of_error(ValueError()) == ""
    assert plain_text.of_error(ValueError("a", "<b>")) == "('a', '')"


@pytest.mark.parametrize("piece", ["<", "<b ", "<b a=", '<b a="', "&", "<!doctype", "<b>", "</p><p>", "<script>"])
def test_a_text_made_to_be_slow_is_not(piece):
    began = time.monotonic()
    plain_text.plain(piece * (1_000_000 // len(piece)))
    assert time.monotonic() - began < 5
