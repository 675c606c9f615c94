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

from standalone import bench, bench_check, checks, commands, dead_code, programs, serving, summary, testing
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
        serving.serve_port(None)
    with pytest.raises(Failed, match="--port is a whole number, not '-1'"):
        serving.serve_port("-1")
    with pytest.raises(Failed, match="65536 is no port"):
        serving.serve_port("65536")


def test_the_port_asked_for_is_taken_or_refused_and_never_another(monkeypatch, taken):
    free = serving.free_port()
    assert serving.serve_port(str(free)) == free
    monkeypatch.setenv("DW_PORT", str(free))
    assert serving.serve_port(None) == free
    with pytest.raises(Failed, match=f"Port {taken} is taken"):
        serving.serve_port(str(taken))


def test_another_port_than_the_usual_one_is_said(monkeypatch, taken, capsys):
    monkeypatch.delenv("DW_PORT", raising=False)
    monkeypatch.setattr(serving, "PORT", taken)
    port = serving.serve_port(None)
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


def test_serve_names_the_job_center(monkeypatch, capsys, tmp_path):
    # Seen failing: with another page, and with another port than the one that was asked for.
    port = serving.free_port()

    @contextlib.contextmanager
    def running(**options):
        ended = SimpleNamespace(name="web 1", running=False, tail=lambda: "")
        url = f"http://127.0.0.1:{options['port']}"
        yield SimpleNamespace(url=url, folder=tmp_path, processes=[ended], environment={"DW_URL": url})

    monkeypatch.setattr(serving, "running", running)
    with pytest.raises(Failed, match="web 1 has ended"):
        commands.serve(["--port", str(port), "--empty"])
    said = capsys.readouterr().err
    assert f"http://127.0.0.1:{port}/job-center " in said
    assert f"Administrator, password {serving.ADMIN_PASSWORD}" in said


def test_own_code_is_checked_and_a_reload_says_when_it_is_over(monkeypatch, tmp_path, capsys):
    # Seen failing: a serve of an empty site, `run` and `test` checked nothing, and "start again" was the last line.
    file, ran = tmp_path / "mine.py", []
    file.touch()
    web = SimpleNamespace(name="web 1", running=True, tail=lambda: "", wait_until=lambda *_arguments: None)
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
    for module in (serving, own_run, testing):
        monkeypatch.setattr(module, "running", lambda **_options: contextlib.nullcontext(stage))
        monkeypatch.setattr(module, "foreground", note)
    with pytest.raises(Failed, match="web 1 has ended"):
        commands.serve(["--empty", "--handlers", str(file)])
    assert ran == ["check", "check"]
    said = capsys.readouterr().err
    assert re.search(r"mine.py changed: workers, scheduler and web start again\.\nReady · [\d.]+ s\n", said)
    ran.clear()
    testing.run(["--handlers", str(file)], tmp_path / "counts")
    assert ran[0] == "check"
    ran.clear()
    commands.run(["--handlers", str(file), str(file)])
    assert ran[0] == "check"


# Tests


def test_the_last_line_says_what_ran_passed_and_failed(tmp_path):
    counts = {"crash": {"crash": {"passed": 20, "failed": 1}}, "rest": {"unit": {"passed": 1_500, "skipped": 2}}}
    for name, found in counts.items():
        (tmp_path / name).write_text(json.dumps(found))
    files = sorted(tmp_path.iterdir())
    assert summary.line(files, 65) == ("Ran crash, unit (1,523 tests) in 1 min 5 s: 1,520 passed, 1 failed, 2 skipped.")
    (tmp_path / "ended").touch()
    assert summary.line([*files, tmp_path / "ended"], 5).endswith(" skipped. Not all of them: pytest was ended.")
    assert summary.line([tmp_path / "ended"], 5) == "No test ran. Not all of them: pytest was ended."


def test_each_run_of_pytest_counts_by_folder_and_touches_no_test(tmp_path):
    # Seen failing: the counts were written into the last test file.
    file, counts = tmp_path / "test_own.py", tmp_path / "counts"
    file.write_text(text := "def test_it():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "standalone.pytest_plugin", f"--rootdir={tmp_path}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DW_")}
    environment["PYTHONPATH"] = str(testing.ROOT)
    subprocess.run([*command, f"--counts={counts}", file], cwd=tmp_path, env=environment, timeout=60, check=True)
    assert (json.loads(counts.read_text()), file.read_text()) == ({"test_own.py": {"passed": 1}}, text)


def test_the_fast_tests_are_in_two_halves_without_the_slow_ones():
    first, second = testing.fast_files(0), testing.fast_files(1)
    assert "tests/unit" in second
    assert not set(first) & set(second)
    assert "tests/site/test_submit.py" in {*first, *second}
    assert "tests/site/test_line_plans.py" not in {*first, *second}


@pytest.mark.parametrize("selection", [["-k", "dedup"], ["--collect-only"]])
def test_a_selection_without_a_path_runs_where_the_tests_are(monkeypatch, tmp_path, selection):
    # Seen failing: "file or directory not found: tests".
    ran = {}

    def note(_stage, command, *, folder=None):
        ran["path"] = Path(folder or tmp_path, command[-1])
        return 0

    monkeypatch.setattr(testing, "running", lambda **_options: contextlib.nullcontext())
    monkeypatch.setattr(testing, "foreground", note)
    assert testing.run(selection, tmp_path / "counts") == 0
    assert ran["path"] == testing.ROOT / "tests"


# Lint


def test_before_a_commit_the_same_checks_run():
    text = (checks.ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: \./dev lint ([\w-]+),", text) == list(checks.CHECKS)


def test_a_check_that_is_none_is_named():
    with pytest.raises(Failed, match="ruf is no check"):
        checks.lint(["ruf"])


def test_dead_code_is_what_nothing_calls_by_name_or_by_path(tmp_path, monkeypatch, capsys):
    pytest.importorskip("vulture", reason="a bench has none")
    module = tmp_path / "dartwing_core" / "module.py"
    module.parent.mkdir()
    module.write_text("def called(): ...\ndef hooked(): ...\ndef dead(): ...\ncalled()\n")
    monkeypatch.setattr(dead_code, "ROOT", tmp_path)
    monkeypatch.setattr(dead_code, "SOURCES", ["dartwing_core"])
    monkeypatch.setattr(dead_code, "named_in", lambda: ["a hook: dartwing_core.module.hooked"])
    assert dead_code.main() == 1
    assert capsys.readouterr().out == "dartwing_core/module.py:3: unused function 'dead'\n"


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


def test_all_that_a_bench_lacks_is_said_at_once(a_bench):
    with pytest.raises(Failed, match=r"(?s)It lacks:\n- Packages: pip install pytest\n- A browser"):
        bench.check(a_bench, "a.site", desk=False)


def test_a_bench_whose_frappe_can_not_be_imported_says_why(a_bench):
    (a_bench / "env" / "bin" / "python").write_text("#!/bin/sh\necho 'No module named frappe' >&2\nexit 1\n")
    with pytest.raises(Failed, match="can't look at the site: No module named frappe"):
        bench.check(a_bench, "a.site", desk=False)


def test_a_package_that_is_missing_is_named_with_how_to_install_it(monkeypatch, tmp_path):
    # Seen failing: without `packages`, and with those for pages only for tests of Desk.
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("axe") else find(name))
    monkeypatch.setattr(bench_check, "browser", lambda: iter(["A browser"]))
    told = next(bench_check.lacks("a.site", tmp_path, desk=False))
    assert told == f"Packages: {sys.executable} -m pip install axe-playwright-python"
    assert not list(bench_check.packages("python", {"json": "json"}))


def site_of(monkeypatch, *, wizard_done: bool, version: int) -> None:
    """Let `import frappe` be a site of this version, where all but perhaps the setup wizard is done."""
    fake = SimpleNamespace(
        conf=SimpleNamespace(maintenance_mode=0),
        get_installed_apps=lambda: ["frappe", bench_check.APP],
        db=SimpleNamespace(get_single_value=lambda _doctype, field: int(field == "setup_complete" and wizard_done)),
    )
    if version == 16:
        fake.is_setup_complete = lambda: wizard_done
    monkeypatch.setitem(sys.modules, "frappe", fake)
    monkeypatch.setattr(bench_check, "unmigrated", list)


@pytest.mark.parametrize("version", [15, 16])
def test_a_setup_wizard_that_is_not_done_is_said(monkeypatch, version):
    # Seen failing: with `is_set_up` always true, with a refusal also without Desk, and without notes.
    site_of(monkeypatch, wizard_done=False, version=version)
    (lack,) = bench_check.state("a.site", desk=True)
    assert "setup wizard" in lack
    assert not list(bench_check.notes(desk=True)), "said once"
    assert not list(bench_check.state("a.site", desk=False)), "the other tests can do without"
    (note,) = bench_check.notes(desk=False)
    assert "setup wizard" in note
    site_of(monkeypatch, wizard_done=True, version=version)
    for desk in (True, False):
        assert not [*bench_check.state("a.site", desk=desk), *bench_check.notes(desk=desk)]


def test_what_the_tests_can_do_without_is_said_and_they_begin(a_bench, capsys):
    # Seen failing: with no look for notes among the lines.
    python = a_bench / "env" / "bin" / "python"
    python.write_text("#!/bin/sh\necho 'note: The setup wizard: finish it'\necho 'lacks: []'\n")
    bench.check(a_bench, "a.site", desk=False)
    assert capsys.readouterr().err == "The setup wizard: finish it\n"


def test_what_is_no_bench_or_no_site_is_said(a_bench):
    with pytest.raises(Failed, match="is not a bench"):
        bench.check(a_bench / "sites", "a.site", desk=False)
    with pytest.raises(Failed, match=r"no site b\.site"):
        bench.check(a_bench, "b.site", desk=False)


def test_two_runs_on_one_site_do_not_meet(a_bench):
    refusal = pytest.raises(Failed, match=r"Other tests are running on a\.site")
    with bench.alone(a_bench, "a.site"), refusal, bench.alone(a_bench, "a.site"):
        pass
    with bench.alone(a_bench, "a.site"):
        pass


def test_bundles_older_than_their_sources_are_not_built(tmp_path, monkeypatch):
    public, dist = tmp_path / bench_check.APP / "public", tmp_path / "sites" / "assets" / "dist"
    for folder in (public / "js", public / "css", dist):
        folder.mkdir(parents=True)
    source = public / "js" / "our.bundle.js"
    for file in (source, dist / "desk.js", dist / "our.js"):
        file.write_text("")
    monkeypatch.setattr(bench_check, "ROOT", tmp_path)
    sites = tmp_path / "sites"
    assert not bench_check.are_built(sites)  # nothing was ever built
    names = '{"desk.bundle.js": "/assets/dist/desk.js", "our.bundle.js": "/assets/dist/our.js"}'
    (sites / "assets" / "assets.json").write_text(names)
    assert bench_check.are_built(sites)
    os.utime(source, (2e9, 2e9))
    assert not bench_check.are_built(sites)


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


@pytest.mark.parametrize(("command", "advice"), [("tst", "Did you mean ./dev test?"), ("x", "./dev alone lists")])
def test_a_command_that_there_is_not_is_named(command, advice):
    # Seen failing: the list of all commands, without a word on what was wrong.
    with pytest.raises(Failed, match=f"There is no ./dev {command}. {advice}"):
        commands.main([command])
