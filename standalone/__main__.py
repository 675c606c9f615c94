"""`python -m standalone COMMAND`: see `commands`. A failure is one line and status 1; a signal ends with 128 + its
number, after everything that was started has ended."""

from __future__ import annotations

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing runs yet: Ctrl-C may end us as it ends any program

from .commands import main  # noqa: E402
from .processes import Failed, Stopped, raise_on_signals  # noqa: E402


def guarded(arguments: list[str]) -> int:
    raise_on_signals()
    try:
        return main(arguments)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    except Stopped as stopped:
        return 128 + stopped.signum


if __name__ == "__main__":
    sys.exit(guarded(sys.argv[1:]))
