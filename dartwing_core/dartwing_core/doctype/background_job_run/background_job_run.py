from __future__ import annotations

from dartwing_core.dartwing_core.guarded_document import EngineDocument, SealedDocument


class BackgroundJobRun(EngineDocument, SealedDocument):
    """One attempt of a background job; written only by the engine."""
