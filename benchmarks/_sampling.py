"""Profiles by py-spy: stacks of a process, sampled from outside, and the functions in which the time goes.

py-spy is installed into a folder of this run; only `profiles` needs it. Its raw format is one line for each stack,
"outermost;…;innermost number"; https://www.speedscope.app and flamegraph.pl read it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "py-spy==0.4.1"
SAMPLES_A_SECOND = 200
Stack = tuple[str, ...]


@dataclass
class Profile:
    """How often each stack was seen."""

    stacks: Counter[Stack] = field(default_factory=Counter)

    @property
    def samples(self) -> int:
        return sum(self.stacks.values())

    def below(self, function: str) -> Profile:
        """The samples within a function, with that as the outermost; the rest is left out."""
        found = Profile()
        for stack, number in self.stacks.items():
            for depth, frame in enumerate(stack):
                if frame.startswith(function):
                    found.stacks[stack[depth:]] += number
                    break
        return found

    def functions(self) -> list[tuple[str, float, float]]:
        """Each function with its own share of the time and that with all that it calls, in percent."""
        own: Counter[str] = Counter()
        cumulative: Counter[str] = Counter()
        for stack, number in self.stacks.items():
            own[stack[-1]] += number
            cumulative.update(dict.fromkeys(stack, number))
        total = max(1, self.samples)
        return [(name, 100 * own[name] / total, 100 * number / total) for name, number in cumulative.items()]

    def save(self, path: Path) -> None:
        path.write_text("".join(f"{';'.join(stack)} {number}\n" for stack, number in self.stacks.items()))


def read(path: Path) -> Profile:
    """A file in the raw format."""
    found = Profile()
    for line in path.read_text().splitlines():
        stack, _blank, number = line.rpartition(" ")
        found.stacks[tuple(stack.split(";"))] += int(number)
    return found


class Sampler:
    """py-spy, attached to a process and those that it starts, as long as the block runs."""

    def __init__(self, program: Sequence[str], pid: int | None = None) -> None:
        """`pid`: this process by default."""
        self._path = Path(os.environ["DW_RUN_DIR"]) / f"stacks-{os.urandom(4).hex()}"
        options = [
            "--pid",
            str(pid or os.getpid()),
            "--subprocesses",
            "--idle",
            "--function",
            "--rate",
            str(SAMPLES_A_SECOND),
        ]
        command = [*program, "record", *options, "--format", "raw", "--output", str(self._path), "--duration", "600"]
        self._popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self) -> Profile:
        """Stop and read what was sampled. Raises RuntimeError if py-spy could not attach."""
        self._popen.send_signal(signal.SIGINT)  # then it writes its file
        output, _none = self._popen.communicate(timeout=60)
        if not self._path.exists():
            raise RuntimeError(output.strip()[-500:])
        return read(self._path)


def install() -> list[str]:
    """The command of py-spy. Raises subprocess.CalledProcessError if it can't be installed."""
    folder = Path(os.environ["DW_RUN_DIR"]) / "py-spy"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    return [str(folder / "bin" / "py-spy")]


def can_attach(program: Sequence[str]) -> bool:
    """Whether py-spy may look into processes here: containers often forbid ptrace."""
    done = subprocess.run([*program, "dump", "--pid", str(os.getpid())], capture_output=True)
    return done.returncode == 0
