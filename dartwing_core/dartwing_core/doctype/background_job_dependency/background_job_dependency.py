from __future__ import annotations

from dartwing_core.dartwing_core.guarded_document import EngineDocument


class BackgroundJobDependency(EngineDocument):
    """One of several jobs that a background job depends on; written only by the engine."""
