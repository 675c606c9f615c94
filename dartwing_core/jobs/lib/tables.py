"""The engine's tables, for the query builder."""

from __future__ import annotations

from pypika.queries import Table

from . import config

JOB = Table(f"tab{config.JOB}")
RUN = Table(f"tab{config.RUN}")
LOG = Table(f"tab{config.LOG}")
DEPENDENCY = Table(f"tab{config.DEPENDENCY}")
BATCH = Table(f"tab{config.BATCH}")
CIRCUIT = Table(f"tab{config.CIRCUIT}")
SCHEDULE = Table(f"tab{config.SCHEDULE}")
