"""`./dev run`: which file in which site; and what `./dev` refuses before it installs anything."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from standalone import programs, run, served
from standalone.launcher import Stage
from standalone.processes import Failed

HERE = str(Path(__file__).parent)


def test_options_of_run_stand_before_its_file(monkeypatch, tmp_path):
    began = []
    monkeypatch.setattr(run, "running", lambda **asked: began.append(asked) or contextlib.nullcontext())
    monkeypatch.setattr(run, "in_site", lambda _stage, arguments: began.append(arguments))
    monkeypatch.setattr(run, "check_own_code", lambda _stage: None)
    for name in ("mine.py", "script.py"):
        (tmp_path / name).touch()
    script = str(tmp_path / "script.py")
    for handlers in (["--handlers", str(tmp_path / "mine.py")], [f"--handlers={tmp_path / 'mine.py'}"]):
        began.clear()
        run.run([*handlers, script, "--app", "x", "--served"])
        assert (began[0]["handlers"], began[0]["path"]) == (["mine"], tmp_path)
        assert began[1] == [script, "--app", "x", "--served"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], r"^Which file\? \./dev run "),
        (["--handlers", __file__], r"^Which file\? "),
        (["/nope.py"], r"^There is no file /nope\.py\.$"),  # Seen failing: "Which file?"
        ([HERE], "is a folder"),
        (["--prot", "1", __file__], "unrecognized arguments: --prot"),
        (["--app"], "expected one argument"),
        (["--app", HERE, __file__], "is no folder of a Frappe app"),
        (["--served", "--handlers", __file__, __file__], "The served site has its own code"),
    ],
)
def test_what_run_can_not_do_is_one_line(arguments, said):
    with pytest.raises(Failed, match=said) as refusal:
        run.run(arguments)
    assert "\n" not in str(refusal.value)


# The served site


@pytest.fixture
def serve(monkeypatch, tmp_path) -> Iterator[Callable[..., Stage]]:
    """`serve(port)`: the stage of a site that is served at this port, as a file in the cache says."""
    monkeypatch.setattr(served.cache, "root", lambda: tmp_path)
    with contextlib.ExitStack() as stack:

        def served_at(port: int, *, is_up: bool = True) -> Stage:
            folder = tmp_path / f"dw-{port}"
            folder.mkdir()
            lock = stack.enter_context(open(folder / "lock", "w"))
            if is_up:
                fcntl.flock(lock, fcntl.LOCK_EX)
            about = {"DW_SITE": "a.site", "DW_SITES_PATH": str(folder), "DW_RUN_DIR": str(folder)}
            stage = Stage({**about, "DW_URL": f"http://127.0.0.1:{port}", "OTHER": "of its terminal"})
            served.announce(stage)
            return stage

        yield served_at


def test_the_only_site_that_is_served_is_joined(serve, monkeypatch):
    monkeypatch.setenv("OTHER", "of this terminal")
    monkeypatch.setenv("DW_TICK", "5")
    serve(18_201)
    found = served.find()
    assert (found.url, found.site) == ("http://127.0.0.1:18201", "a.site")
    assert found.environment["OTHER"] == "of this terminal"
    assert "DW_TICK" not in found.environment


def test_a_site_that_has_ended_or_is_of_another_checkout_is_none(serve, monkeypatch):
    # Seen failing: without a look at the lock, and at the checkout.
    serve(18_201, is_up=False)
    with pytest.raises(Failed, match=r"^No site is served from .*\. Start one with \./dev serve"):
        served.find()
    serve(18_202)
    monkeypatch.setattr(served, "ROOT", Path("/elsewhere"))
    with pytest.raises(Failed, match="No site is served from /elsewhere"):
        served.find()


def test_one_of_several_sites_is_chosen_by_its_port(serve):
    serve(18_201)
    serve(18_202)
    assert served.find(18_202).url == "http://127.0.0.1:18202"
    with pytest.raises(Failed, match=r"^Several sites are served: http://127.0.0.1:18201 and \S+:18202\. .*DW_PORT="):
        served.find()
    with pytest.raises(Failed, match="No site is served at port 1820 "):
        served.find(1820)


def test_a_file_whose_site_ends_says_so(serve, monkeypatch):
    stage = serve(18_201, is_up=False)
    monkeypatch.setattr(served, "find", lambda _port: stage)
    monkeypatch.setattr(run, "in_site", lambda _stage, _arguments: -signal.SIGKILL)
    with pytest.raises(Failed, match="The served site has ended"):
        run.run(["--served", __file__])


# What is refused before anything is installed


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """What would have been installed, made or started."""
    made: list[str] = []
    monkeypatch.setattr(programs, "install_missing", lambda _needed: made.append("packages"))
    monkeypatch.setattr(environment, "prepare", lambda: made.append("environment"))
    monkeypatch.setattr(environment.os, "execv", lambda *_arguments: made.append("process"))
    return made


def imported() -> ModuleType:
    """`standalone.environment`, whose import changes what Ctrl-C does."""
    before = signal.getsignal(signal.SIGINT)
    module = importlib.import_module("standalone.environment")
    signal.signal(signal.SIGINT, before)
    return module


environment: Any = imported()


@pytest.mark.parametrize("missing", ["redis-server", "mariadbd"])
@pytest.mark.parametrize("arguments", [["serve"], ["run", __file__]])
def test_what_is_missing_is_said_before_the_virtual_environment_is_made(made, monkeypatch, missing, arguments):
    # Seen failing: with `programs.provide` after `prepare`.
    monkeypatch.setattr(programs, "find", lambda *names: None if missing in names else "/usr/bin/true")
    monkeypatch.setattr(programs, "install_missing", lambda _needed: [])  # as for a user who is not root
    with pytest.raises(SystemExit, match=f"^{missing} was not found. Install .*, then run this again.$"):
        environment.main(arguments)
    assert made == []


def test_the_environment_is_made_by_any_python(tmp_path):
    """The virtual environment is not there yet, so its maker needs the standard library alone."""
    code = "import sys, standalone.environment as e; print(sorted({n.split('.')[0] for n in sys.modules}))"
    path = str(Path(HERE).parents[1])
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {path!r}); {code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "frappe" not in ran.stdout


@pytest.mark.parametrize("is_found", [True, False])
def test_packages_are_named_before_they_are_installed_and_a_failure_is_one_line(monkeypatch, capsys, is_found):
    # Seen failing: nothing was said until all was installed, and a failure was the end of apt's output.
    trouble = "" if is_found else "Reading…\nE: Unable to locate package redis-server\nW: more\n"
    done = SimpleNamespace(returncode=0 if is_found else 100, stderr=trouble)
    said_before = []
    monkeypatch.setattr(programs, "find", lambda *_names: None)
    monkeypatch.setattr(programs.shutil, "which", lambda *_names, **_more: "/usr/bin/apt-get")
    monkeypatch.setattr(programs.os, "geteuid", lambda: 0)
    monkeypatch.setattr(programs.Path, "exists", lambda _path: True)
    monkeypatch.setattr(
        programs.subprocess, "run", lambda *_a, **_more: said_before.append(capsys.readouterr().err) or done
    )
    if is_found:
        assert programs.install_missing(programs.REDIS) == ["redis-server"]
    else:
        why = r"^apt-get could not install redis-server: Unable to locate package redis-server\. Install .* again.$"
        with pytest.raises(Failed, match=why):
            programs.install_missing(programs.REDIS)
    assert said_before[0] == "Installing redis-server …\n"
