from __future__ import annotations

from dartwing_core.dartwing_core.guarded_document import EngineDocument, SealedDocument, sealed_field


class BackgroundJobRun(EngineDocument, SealedDocument):
    """One attempt of a background job; written only by the engine."""

    log_lines = sealed_field("log_lines")
    traceback = sealed_field("traceback")
    state = sealed_field("state")
    cancel_reason = sealed_field("cancel_reason")
    input_parameters = sealed_field("input_parameters")
