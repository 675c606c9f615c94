"""`python -m standalone.watcher FOLDER remove|keep`: wait until the launcher is gone (its end of our standard input
closes), then end every process of that run and remove its folder. See `processes`."""

from __future__ import annotations

import os
import shutil
import sys

from .processes import end_all_of, ignore_signals


def main(folder: str, what: str) -> None:
    ignore_signals()
    while os.read(0, 1):
        pass
    end_all_of(folder)
    if what == "remove":
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
