from __future__ import annotations

from dartwing_core.dartwing_core.guarded_document import EngineDocument


class JobExecutionLog(EngineDocument):
    """One status change of a background job; written only by the engine."""
