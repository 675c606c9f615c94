"""Names of files as the disk takes them."""

from __future__ import annotations

import pytest

from dartwing_core.jobs.job.job_files import LONGEST_NAME, clean_name, free_name


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
    assert clean_name(given) == stored


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("a.csv", ["a.csv"], "a-2.csv"),
        ("a.csv", ["a.csv", "a-2.csv"], "a-3.csv"),
        (".env", [".env"], ".env-2"),
    ],
)
def test_a_second_equal_name_gets_a_number(name, taken, free):
    assert free_name(name, taken) == free


def test_a_second_equal_name_that_is_long_gets_a_number_too():
    longest = clean_name("ü" * 300 + ".txt")
    second = free_name(longest, [longest])
    assert second.endswith("-2.txt")
    assert len(second.encode()) <= LONGEST_NAME
    assert free_name(longest, [longest, second]).endswith("-3.txt")
