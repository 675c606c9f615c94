"""`./dev` says at once, in one line, what it can't do; nothing is installed or started before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from standalone import commands, testing
from standalone.processes import Failed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tst"], r"There is no \./dev tst\. Did you mean \./dev test\?"),
        (["serve", "--prot", "8001"], "unrecognized arguments: --prot 8001"),
        (["serve", "--handlers", "nowhere.py"], "There is no file nowhere.py"),
        (["lint", "ruf"], "ruf is no check"),
        (["run", "/nope.py"], r"^There is no file /nope\.py\.$"),
    ],
)
def test_what_it_can_not_do_is_one_line(arguments, said):
    with pytest.raises(Failed, match=said) as refusal:
        commands.main(arguments)
    assert "\n" not in str(refusal.value)


def test_help_is_all_that_help_does():
    # Seen failing: `./dev test --help` installed, built and ran all tests after pytest's help.
    command = [testing.ROOT / "dev", "test", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    assert (done.stdout, done.stderr) == (commands.USAGE, "")


def test_arguments_are_checked_by_any_python():
    """The virtual environment is not there yet, so the checks need the standard library alone."""
    code = f"import sys; sys.path.insert(0, {str(testing.ROOT)!r}); import standalone.environment"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
