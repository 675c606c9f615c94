"""`./dev demo`: a guided tour of the engine with real input, real workers and real failures.

`scene` is what it starts from, `plan` the jobs and what is expected of each, `receiver` the HTTP peer, `story` the
tour itself, `watching` the live view and `report` what is shown and checked at the end. It uses the engine as an app
would, through `dartwing_core.jobs`, as users that have no other role than "Dartwing User".
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import frappe

from standalone.launcher import attach
from standalone.processes import Process

from .expectations import Expectations
from .receiver import Receiver
from .screen import Screen
from .story import tell


def main(site: str) -> int:
    """Run the demo in this site, connected as Administrator; the exit status: 0 if all went as expected, else 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as by Ctrl-C: the cursor comes back
    screen, expectations, receiver = Screen(), Expectations(), Receiver()
    screen.introduce(f"A tour of dartwing_core on {site}, a Frappe site made for it: real workers, database and queue.")
    try:
        with receiver.listening(), agent_running(site) as agent:
            tell(screen, expectations, receiver)
            expectations.that(agent.running, f"The agent has ended.{agent.tail()}")
    except KeyboardInterrupt:
        screen.introduce("Interrupted. Ending the workers …")
        frappe.db.close()  # whoever needs it opens a new one: this one may be in the middle of a query
        return 130
    conclude(screen, expectations)
    return 1 if expectations.failed else 0


def conclude(screen: Screen, expectations: Expectations) -> None:
    """Name what was not as expected, and where to go on."""
    screen.heading("Result")
    if expectations.failed:
        screen.say(f"{len(expectations.failed)} of {expectations.checked} checks failed:")
        screen.bullets(expectations.failed)
    else:
        screen.say(f"All {expectations.checked} checks passed.")
    if "--keep" in sys.argv:
        return
    screen.say("This site is removed now. ./dev demo --keep keeps it.")
    screen.gap()
    screen.say("A living site, with people, API keys and REST: ./dev serve")


@contextmanager
def agent_running(site: str) -> Iterator[Process]:
    """`bench job-engine agent` on this site, which queues due retries each second.

    The demo's delays are seconds; without it a retry may wait for the scheduler's tick, a minute.
    """
    stage = attach()
    bench = json.loads(os.environ["DW_CLI_COMMAND"])
    try:
        yield stage.start("agent", [*bench, "--site", site, "job-engine", "agent"])
    finally:
        stage.stop()
