"""`./dev` says at once what it can't do, and what it does otherwise than asked."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from standalone import bench, bench_check, checks, commands, programs, serving, testing
from standalone import run as own_run
from standalone.processes import Failed
from tests.support import processes


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_number_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("DW_PORT", "abc")
    with pytest.raises(Failed, match="DW_PORT is a whole number, not 'abc'"):
        serving.read([])
    monkeypatch.delenv("DW_PORT")
    with pytest.raises(Failed, match="--port: invalid int value: 'abc'"):
        serving.read(["--port", "abc"])
    with pytest.raises(Failed, match="65536 is no port"):
        serving.read(["--port", "65536"])


def test_the_port_asked_for_is_taken_or_refused_and_never_another(monkeypatch, taken, capsys):
    monkeypatch.setenv("DW_PORT", str(taken))
    with pytest.raises(Failed, match=f"Port {taken} is taken"):
        serving.read([])
    assert serving.serve_port(free := serving.free_port()) == free
    monkeypatch.setattr(serving, "PORT", taken)
    port = serving.serve_port(0)
    assert port != taken
    assert f"Port {taken} is taken; this takes {port}." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["test", "--help"], ["serve", "-h"], ["bench", "--help"]])
def test_help_is_all_that_help_does(arguments):
    # Seen failing: `./dev test --help` installed, built and ran all tests after pytest's help.
    done = subprocess.run([testing.ROOT / "dev", *arguments], capture_output=True, text=True, timeout=10, check=True)
    assert done.stdout == commands.USAGE
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prot", "8001"], "unrecognized arguments: --prot 8001"),
        (["--port"], "expected one argument"),
        (["--handlers", "nowhere.py"], "There is no file nowhere.py"),
        (["--handlers", __file__.replace("test_dev.py", "")], "is no Python file"),
        (["--app", __file__.replace("test_dev.py", "")], "is no folder of a Frappe app"),
    ],
)
def test_what_serve_does_not_know_is_refused(arguments, said):
    with pytest.raises(Failed, match=said):
        commands.serve(arguments)


@pytest.mark.parametrize(
    ("command", "has_bench", "missing", "is_refused"),
    [
        ("serve", False, "redis-server", True),
        ("serve", False, "mariadbd", True),
        ("test", True, "redis-server", True),
        ("test", True, "mariadbd", False),
        ("lint", False, "redis-server", False),
    ],
)
def test_a_missing_server_is_said_before_anything_is_set_up(monkeypatch, command, has_bench, missing, is_refused):
    monkeypatch.setattr(programs, "find", lambda *names: None if missing in names else "/usr/bin/true")
    monkeypatch.setattr(programs, "install_missing", lambda needed: [])  # as for a user who is not root
    refusal = pytest.raises(Failed, match=f"{missing} was not found. Install")
    with refusal if is_refused else contextlib.nullcontext():
        programs.provide(command, has_bench=has_bench)


def test_own_code_is_checked_and_a_reload_says_when_it_is_over(monkeypatch, tmp_path, capsys):
    # Seen failing: a serve of an empty site, `run` and `test` checked nothing, and "start again" was the last line.
    file, ran = tmp_path / "mine.py", []
    file.touch()
    web = SimpleNamespace(name="web 1", running=True, tail=lambda: "")
    stage = SimpleNamespace(
        url="http://127.0.0.1:1", folder=tmp_path, processes=[web], restart=lambda: None, environment={}
    )

    def note(_stage, command, **_more):
        ran.append(command[-1])
        web.running = len(ran) < 2
        return 0

    changed = iter(({}, {file: 1}, {file: 1}))
    monkeypatch.setattr(serving, "_changed_at", lambda _paths: next(changed))
    monkeypatch.setattr(serving, "LOOK", 0.0)
    monkeypatch.setattr(serving, "announce", lambda _stage: tmp_path / "announced")
    for module in (serving, own_run, testing):
        monkeypatch.setattr(module, "running", lambda **_options: contextlib.nullcontext(stage))
        monkeypatch.setattr(module, "foreground", note)
    with pytest.raises(Failed, match="web 1 has ended"):
        commands.serve(["--empty", "--handlers", str(file)])
    assert ran == ["check", "check"]
    said = capsys.readouterr().err
    assert "http://127.0.0.1:1/job-center " in said
    assert re.search(r"mine.py changed: workers, scheduler and web start again\.\nReady · [\d.]+ s\n", said)
    for command in (["test", "--handlers", str(file)], ["run", "--handlers", str(file), str(file)]):
        ran.clear()
        commands.main(command)
        assert ran[0] == "check"


# Tests and checks


def test_the_fast_tests_are_in_two_halves_without_the_slow_ones():
    first, second = testing.fast_files(0), testing.fast_files(1)
    assert "tests/unit" in second
    assert not set(first) & set(second)
    assert "tests/site/test_submit.py" in {*first, *second}
    assert "tests/site/crowded/test_line_plans.py" not in {*first, *second}


@pytest.mark.parametrize("selection", [["-k", "dedup", "-q"], ["--collect-only"]])
def test_a_selection_without_a_path_runs_where_the_tests_are(monkeypatch, tmp_path, selection):
    # Seen failing: "file or directory not found: tests".
    ran = {}

    def note(_stage, command, *, folder=None):
        ran["command"], ran["path"] = command, Path(folder or tmp_path, command[-1])
        return 0

    monkeypatch.setattr(testing, "running", lambda **_options: contextlib.nullcontext())
    monkeypatch.setattr(testing, "foreground", note)
    assert testing.test(selection) == 0
    assert ran["path"] == testing.ROOT / "tests"
    assert ran["command"][-1 - len(selection) : -1] == selection


def test_before_a_commit_the_same_checks_run():
    text = (checks.ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: \./dev lint ([\w-]+),", text) == list(checks.CHECKS)


def test_a_check_or_a_command_that_there_is_not_is_named():
    with pytest.raises(Failed, match="ruf is no check"):
        checks.lint(["ruf"])
    with pytest.raises(Failed, match=r"There is no \./dev tst\. Did you mean \./dev test\?"):
        commands.main(["tst"])


# Genuine benches


@pytest.fixture
def a_bench(tmp_path) -> Path:
    """A folder laid out like a bench, whose Python says that the site lacks two things."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho noise\necho \'lacks: ["Packages: pip install pytest", "A browser"]\'\n')
    python.chmod(0o755)
    (tmp_path / "sites" / "a.site" / "locks").mkdir(parents=True)
    (tmp_path / "sites" / "a.site" / "site_config.json").write_text("{}")
    return tmp_path


def refused(path: Path, site: str = "a.site") -> str:
    """Why the tests don't begin on this bench."""
    with pytest.raises(Failed) as refusal, bench.tested_bench(path, site, desk=False):
        pass
    return str(refusal.value)


def test_all_that_a_bench_lacks_is_said_at_once(a_bench):
    assert refused(a_bench).endswith("It lacks:\n- Packages: pip install pytest\n- A browser")
    (a_bench / "env" / "bin" / "python").write_text("#!/bin/sh\necho 'No module named frappe' >&2\nexit 1\n")
    assert "can't look at the site: No module named frappe" in refused(a_bench)
    assert "is not a bench" in refused(a_bench / "sites")
    assert "no site b.site" in refused(a_bench, "b.site")


def test_two_runs_on_one_site_do_not_meet(a_bench, monkeypatch):
    (a_bench / "env" / "bin" / "python").write_text("#!/bin/sh\necho 'lacks: []'\n")
    stage = SimpleNamespace(environment={})
    monkeypatch.setattr(bench, "on_bench", lambda *_where: contextlib.nullcontext(stage))
    for _ in range(2):
        with bench.tested_bench(a_bench, "a.site", desk=False):
            assert "Other tests are running on a.site" in refused(a_bench)


def test_a_package_that_is_missing_is_named_with_how_to_install_it(monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("axe") else find(name))
    told = next(bench_check.lacks("a.site", tmp_path, desk=False))
    assert told == f"Packages: {sys.executable} -m pip install axe-playwright-python"


@pytest.mark.parametrize("version", [15, 16])
def test_a_setup_wizard_that_is_not_done_is_said_for_desk(monkeypatch, version):
    site = SimpleNamespace(
        conf=SimpleNamespace(maintenance_mode=0),
        get_installed_apps=lambda: ["frappe", bench_check.APP],
        db=SimpleNamespace(get_single_value=lambda *_field: 0),
    )
    if version == 16:
        site.is_setup_complete = lambda: False
    monkeypatch.setitem(sys.modules, "frappe", site)
    monkeypatch.setattr(bench_check, "unmigrated", list)
    (lack,) = bench_check.state("a.site", desk=True)
    assert "setup wizard" in lack
    assert not list(bench_check.state("a.site", desk=False)), "the other tests can do without"


def test_a_bench_whose_own_workers_run_is_told_to_stop_them(tmp_path):
    (tmp_path / "common_site_config.json").write_text("{}")
    assert not list(bench_check.rest(tmp_path, "a_site"))
    url = os.environ["FRAPPE_REDIS_QUEUE"]
    (tmp_path / "common_site_config.json").write_text(json.dumps({"redis_queue": url}))
    client = processes.queue_client()
    assert not client.scard("rq:workers")
    assert not list(bench_check.rest(tmp_path, "a_site"))
    client.sadd("rq:workers", "rq:worker:somebody")
    try:
        assert ["bench stop" in lack for lack in bench_check.rest(tmp_path, "a_site")] == [True]
    finally:
        client.srem("rq:workers", "rq:worker:somebody")
