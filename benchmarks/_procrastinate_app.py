"""An app of procrastinate with one task that does nothing. Imported by the workers of `benchmarks.procrastinate`."""

from __future__ import annotations

import os
import sys

from procrastinate import App, PsycopgConnector

ADDRESS = os.environ["DW_POSTGRES"]
app = App(connector=PsycopgConnector(conninfo=ADDRESS))


@app.task(name="nothing")
def nothing() -> None:
    """Ends at once. A plain function, as handlers are."""


if __name__ == "__main__":
    with app.open():
        nothing.batch_defer(*({} for _number in range(int(sys.argv[1]))))
