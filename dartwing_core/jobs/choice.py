"""Which jobs an admission pass takes: by turns of the organizations, and within the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import circuits, config, lifting, limits, notes, run_times, tenancy
from .fairness import Turns
from .lines import InRq, Line, Lines

Place = tuple[Lines, str]
"""Where an organization's jobs of a type wait: the lines of a queue, and the type."""
Room = Callable[[float | None], int]
"""How many more jobs that take so many seconds fit into the window."""


class Choice:
    """The next jobs of a queue.

    Organizations take turns; of one the job with the lowest rank is next. Jobs of queues behind this one take part
    while it has a line that may go (see `lifting`); where they are ahead of an organization's own jobs of this queue,
    they get every other of its turns, so that neither a long backlog keeps urgent jobs waiting nor the reverse. Whose
    last turn was theirs is noted from pass to pass: under a cap a pass may be of one turn.
    """

    def __init__(
        self,
        queue: str,
        heads: list[dict],
        in_service: list[dict],
        behind: lifting.Candidates = lifting.NOBODY,
    ):
        rows = [*heads, *behind]
        self._limits_of = tenancy.limits_of(sorted({row["organization"] for row in rows}))
        self._types = {name: config.job_type(name) for name in {row["job_type"] for row in rows}}
        self._slots = limits.Slots(in_service, self._limits_of, self._types)
        self._gates = circuits.Gates(queue, self._types, in_service)
        self._ranks: dict[str, dict[Place, float]] = {}
        self._lines = Lines(queue)
        self._own = 0
        """Places that are in line for this very queue."""
        self._is_limited = False
        self._behind_others: set[str] = set()
        """Who could not take a turn because other organizations have the slots of a type."""
        self._add(heads, self._lines)
        if behind is not lifting.NOBODY and self._is_in_the_way():
            for name in sorted({row["queue"] for row in behind.heads}):
                self._add((row for row in behind.heads if row["queue"] == name), Lines(name))
            in_rq = InRq(behind.queued)
            self._add(in_rq.heads(), in_rq)
        weights = {name: self._limits_of[name].weight for name in self._ranks}
        ranks = {name: self._first_rank(name) for name in self._ranks}
        noted, self._run_times = notes.kept(queue, sorted(self._types))
        self._turns = Turns(noted.passes, weights, ranks)
        self._lifted_last = {name for name in noted.lifted_last if name in weights}
        self.leaves_some = bool(self._own)
        """Whether somebody is left who could go when a job ends; not those who are held."""
        self.lacks_room = False
        """Whether the window is full for the next one …"""
        self.run_time: float | None = 0
        """… which takes so many seconds."""

    def _add(self, heads: Iterable[Mapping[str, Any]], lines: Lines) -> None:
        for row in heads:
            organization, job_type = row["organization"], row["job_type"]
            may_go = self._limits_of[organization].may_start and may_start(self._types[job_type])
            if may_go and self._gates.is_open(organization, job_type):
                self._ranks.setdefault(organization, {})[lines, job_type] = row["rank"]
                self._own += lines is self._lines

    def _is_in_the_way(self) -> bool:
        """Whether somebody of this queue's own line may go."""
        places = ((name, job_type) for name, types in self._ranks.items() for _lines, job_type in types)
        return any(self._slots.fits(*place) for place in places)

    @property
    def turns(self) -> notes.KeptTurns:
        """How the turns are now, of those who could take one."""
        return notes.KeptTurns(self._turns.passes, self._lifted_last)

    def take(self, room: Room) -> list[dict]:
        """The jobs that go (name, status and queue of each), in the order in which they are to be queued.

        If whose turn it is finds no room, nobody else does: quick ones would keep the window full, and out of it a long
        one, to which it is smaller.
        """
        self.run_time = run_times.shortest(self._run_times.values())
        most = room(self.run_time)
        self.lacks_room = most <= 0
        if self.lacks_room or not self._is_in_the_way():
            return []
        self._read_ahead(most)
        taken: list[dict] = []
        while found := self._next(room, len(taken), most):
            taken.append(found)
        self._turns.keep_close(self._behind_others)
        self.leaves_some = bool(self._own) or self._is_limited
        return taken

    def _read_ahead(self, number: int) -> None:
        """Of those whose turns come first so many jobs as they get if turns are equal, and one: is anything left?"""
        next_ones = self._turns.first(number)
        wanted: dict[Lines, list[Line]] = {}
        for name in next_ones:
            places = {self._next_place(name)}
            if len(next_ones) < number:  # some get more than one
                places.update((self._first_place(name), self._first_place(name, is_own=True)))
            for lines, job_type in places:
                wanted.setdefault(lines, []).append((name, job_type))
        for lines, keys in wanted.items():
            lines.read_ahead(keys, -(-number // len(next_ones)) + 1)

    def _first_rank(self, organization: str) -> float:
        return min(self._ranks[organization].values())

    def _first_place(self, organization: str, is_own: bool = False) -> Place:
        """Where the job with the lowest rank is; `is_own`: of those in line for this queue, if there are any."""
        places = self._ranks[organization]
        own = [place for place in places if place[0] is self._lines] if is_own else []
        return min(own or places, key=places.__getitem__)

    def _next_place(self, organization: str) -> Place:
        """Where its next job is: of this queue, if its last one was lifted."""
        return self._first_place(organization, organization in self._lifted_last)

    def _next(self, room: Room, taken: int, most: int) -> dict | None:
        """The next job, if there is one and it fits behind those that are taken."""
        while self._own and taken < most:
            organization = self._turns.next()
            place = self._fitting_place(organization, most - taken)
            if place is None:
                if organization not in self._behind_others:
                    self._turns.missed(organization)
                continue
            self.run_time = self._run_times[place[1]]
            if taken >= room(self.run_time):
                break
            job = self._take_first(organization, place, most - taken)
            self._turns.took(organization, self._first_rank(organization) if self._ranks[organization] else None)
            return job
        self.lacks_room = bool(self._own)
        return None

    def _fitting_place(self, organization: str, most: int) -> Place | None:
        """Where the next job of an organization is, of the types of which one more fits."""
        places = self._ranks[organization]
        while places:
            place = self._next_place(organization)
            lines, job_type = place
            line = organization, job_type
            is_over = not lines.are_queued and not self._slots.fits(*line)
            if not is_over and lines.first(line, most + 1) and self._gates.is_open(*line):
                return place
            self._is_limited = self._is_limited or (is_over and lines is self._lines)
            if is_over and self._slots.full(*line) == (None, job_type):
                self._behind_others.add(organization)
            self._drop(organization, place)
        return None

    def _take_first(self, organization: str, place: Place, most: int) -> dict | None:
        lines, job_type = place
        line = organization, job_type
        job = lines.first(line, most + 1)
        lines.take(line)
        self._note_whose(organization, lines)
        self._gates.take(*line)
        if not lines.are_queued:
            self._slots.take(*line)
        behind = lines.first(line, most)
        if behind and self._gates.is_open(*line):
            self._ranks[organization][place] = behind["admission_rank"]
        else:
            self._drop(organization, place)
        return job

    def _note_whose(self, organization: str, lines: Lines) -> None:
        if lines is self._lines:
            self._lifted_last.discard(organization)
        else:
            self._lifted_last.add(organization)

    def _drop(self, organization: str, place: Place) -> None:
        del self._ranks[organization][place]
        self._own -= place[0] is self._lines


def may_start(job_type: Any) -> bool:
    """Whether jobs of this Job Type are not paused."""
    return job_type is None or not job_type.is_paused  # of a type that is gone the jobs fail at once, and say why
