"""The first jobs of the lines of a queue, as an admission pass takes them: read ahead, of many lines in one statement.

A line is what waits of one organization and type. All reads are of the pass's snapshot, so a line that has to be read
further is read once more from its beginning, and what was taken of it is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from . import waiting

AT_ONCE = 25
"""So many lines in one statement."""
Line = tuple[str, str]


class Lines:
    """The lines of one queue."""

    are_queued = False
    """Whether their jobs have a slot already, under whatever caps there are."""

    def __init__(self, queue: str):
        self._queue = queue
        self._jobs: dict[Line, list[dict]] = {}
        self._is_whole: set[Line] = set()
        self._taken: Counter[Line] = Counter()

    def read_ahead(self, lines: Sequence[Line], number: int) -> None:
        """Read the first `number` jobs of these lines."""
        for start in range(0, len(lines), AT_ONCE):
            some = lines[start : start + AT_ONCE]
            for line, jobs in zip(some, waiting.lines(self._queue, some, number), strict=True):
                self._jobs[line] = [{**job, "queue": self._queue} for job in jobs]
                if len(jobs) < number:
                    self._is_whole.add(line)

    def first(self, line: Line, most: int) -> dict | None:
        """The next job of a line; `most`: how many more of it can be needed, if it has to be read further."""
        taken = self._taken[line]
        if taken >= len(self._jobs.get(line, ())) and line not in self._is_whole:
            self.read_ahead([line], taken + most)
        jobs = self._jobs[line]
        return jobs[taken] if taken < len(jobs) else None

    def take(self, line: Line) -> None:
        """The next job of a line is taken: the one behind it is next."""
        self._taken[line] += 1


class InRq(Lines):
    """Jobs that are Queued already, in another queue: not in line, but taken like those that are."""

    are_queued = True

    def __init__(self, jobs: Sequence[dict]):
        super().__init__("")
        for job in sorted(jobs, key=lambda job: job["admission_rank"]):
            self._jobs.setdefault((job["organization"], job["job_type"]), []).append(job)
        self._is_whole.update(self._jobs)

    def heads(self) -> list[dict]:
        """As `waiting.heads` tells of lines."""
        return [
            {"organization": organization, "job_type": job_type, "rank": jobs[0]["admission_rank"]}
            for (organization, job_type), jobs in self._jobs.items()
        ]

    def read_ahead(self, lines: Sequence[Line], number: int) -> None:
        """All of them are there."""
