"""A job handler that says what somebody has written, whatever it is."""

from __future__ import annotations

from typing import Any

from dartwing_core.jobs import JobContext, PermanentError, TransientError, job_handler
from tests.support.database import value
from tests.support.waiting import until

MARK = "Speech"
ODD = MARK + " 100% %s %(name)s, it's \\' \\ \\u00e9 \"q\" `b` {0} #{1} ; -- /* é ü\n\tend\\"
"""All that means something to a driver, a template, JSON or SQL."""
BEATS = "SELECT COUNT(*) FROM `tabBackground Job Run` WHERE name = %s AND lease_expires_epoch > 0"


@job_handler
def says(context: JobContext) -> dict[str, Any]:
    """Puts `text` into all that an attempt tells, and does not end before its run row is there."""
    text = context.parameters["text"]
    context.set_steps([text, "another"])
    context.update_progress(50, text, force=True)
    until(lambda: value(BEATS, f"{context.job_id}-{context.attempt}"), what="a beat")
    for number in range(2):  # the second finds the row of the first
        context.checkpoint({"text": text, "number": number})
    then = context.parameters.get("then")
    if then == "fail":
        raise TransientError(text)
    if then == "fail_for_good":
        raise PermanentError(text)
    return {"output_reference": text, "said": text}
