"""Job Types, settings and hooks are kept for a moment while many jobs run, and never for a handler."""

from __future__ import annotations

from types import SimpleNamespace

from dartwing_core.jobs.lib import config


def test_what_is_kept_is_soon_read_again_and_a_handler_reads_what_is_in_force(monkeypatch):
    reads: list[str] = []
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(config, "time", clock)
    monkeypatch.setattr(config, "_read_job_type", lambda name: reads.append(name) or name)
    with config.keeping():
        config.job_type("kept")
        config.job_type("kept")
        assert reads == ["kept"]
        with config.keeping(False):
            config.job_type("kept")
            clock.now += 10
            with config.keeping():  # a submit in the handler
                config.job_type("submitted")
        assert reads == ["kept", "kept", "submitted"]
        config.job_type("kept")
        assert reads == ["kept", "kept", "submitted", "kept"], "the handler has taken long"
    config.job_type("kept")
    config.job_type("kept")
    assert len(reads) == 6
