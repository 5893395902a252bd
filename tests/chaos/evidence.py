"""Everything that is known of a row once it is over: rows, logs, notes of the scripts, samples, sockets, answers."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.bounds import CPU, Bounds, Pool
from tests.chaos.watching import Answer, Page, Sample
from tests.chaos.work import Work

SCORE = re.compile(rb'(?:score=|\{"hpt": \{"score": )([^\s,]+).*\n')

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """A word that a script wrote down when it began or ended."""

    trial: int
    attempt: int
    word: str
    at: float
    pid: int


@dataclass(slots=True)
class Evidence:
    """What happened in one row. `printed` and `stored` are points by attempt, `outdated` the steps of those that were
    reported again, and are no part of the curve; times are of the monotonic clock."""

    row: str
    name: str
    work: Work
    pools: dict[str, Pool]  # by name, as they were when it began
    bounds: Bounds
    job: Row
    trials: list[Row]
    attempts: list[Row]
    usage: list[Row]
    decisions: list[Row]
    events: list[Row]
    printed: dict[int, list[float]]
    stored: dict[int, list[tuple[int, float]]]
    outdated: dict[int, set[int]]
    notes: list[Note]
    samples: list[Sample]
    pages: list[Page]
    answers: list[Answer]
    made: list[str]
    found: list[str]
    began: float
    faulted: float
    ended: float
    fault_free: float
    log_bytes: int
    lease: float
    start: float  # in which the service was started here
    slower: float = 1.0  # so many times longer than in R0 had who was at work to wait for a processor
    kills: int = 0  # of trials
    expected: set[str] = field(default_factory=lambda: {"Completed"})  # states in which trials may end
    refuses: bool = False  # the database was down: 503 is an answer
    says: str = ""  # must stand in the reason of a trial
    leftovers: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # what the faults did
    guest: list[Row] = field(default_factory=list)  # the trials of another job, for which those of this one made room

    @property
    def slots(self) -> int:
        return self.pools[CPU].devices

    def first_step(self, attempt: Row) -> int:
        """The number of an attempt's first point: it goes on where the one stood whose checkpoint it took up."""
        before = self.curve(attempt["trial"], attempt["number"]) if attempt["resumed"] else []
        return max((step for step, _ in before), default=0) + 1

    def curve(self, trial: int, before: int = 1000) -> list[tuple[int, float]]:
        """The points of a trial that count, as they were stored, or those of the attempts `before` one."""
        own = [a for a in self.attempts if a["trial"] == trial and a["number"] < before and not a["superseded"]]
        points = [(a["id"], point) for a in own for point in self.stored.get(a["id"], [])]
        return [point for attempt, point in points if point[0] not in self.outdated.get(attempt, ())]

    def executions(self) -> int:
        """How often a script really began; in containers, how many attempts printed anything."""
        begun = sum(note.word == "begins" for note in self.notes)
        return begun or sum(bool(points) for points in self.printed.values())

    def overlaps(self) -> list[str]:
        """The moments at which two attempts of a trial really ran."""
        trial_of = {attempt["token"]: attempt["trial"] for attempt in self.attempts}
        found = set()
        for sample in self.samples:
            running = defaultdict(set)
            for token in sample.alive & trial_of.keys():
                running[trial_of[token]].add(token)
            found |= {f"trial {number}: {sorted(tokens)}" for number, tokens in running.items() if len(tokens) > 1}
        return sorted(found)

    def unreserved(self) -> list[str]:
        """Attempts that really ran at a moment at which no row held a place for them.

        Rows are read just before the processes of a sample, so one that has just begun may stand in the next one only.
        """
        own = {attempt["token"] for attempt in self.attempts}
        found = set()
        for sample, after in pairwise(self.samples):
            if sample.reserved is not None and after.reserved is not None:
                held = {place.token for place in (*sample.reserved, *after.reserved)}
                found |= (sample.alive & own) - held
        return sorted(found)

    def most_reserved(self) -> int:
        """Of this service's slots, over all jobs, at any sampled moment: each attempt holds one, also with GPUs."""
        return max((len(sample.reserved) for sample in self.samples if sample.reserved), default=0)

    def most_in_pools(self) -> dict[str, float]:
        """The most devices of each pool of GPUs that were reserved at any sampled moment."""
        most: dict[str, float] = defaultdict(float)
        for sample in self.samples:
            held: dict[str, float] = defaultdict(float)
            for place in sample.reserved or []:
                if place.devices:
                    held[place.pool] += place.units
            most |= {pool: max(units, most[pool]) for pool, units in held.items()}
        return dict(most)

    def most_alive(self) -> int:
        """Of this job's scripts, at any sampled moment."""
        tokens = {attempt["token"] for attempt in self.attempts}
        return max((len(sample.alive & tokens) for sample in self.samples), default=0)


def rows_of(database_url: str, project: str, name: str) -> dict[str, list[Row]]:
    """The job's rows, read from the database itself."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:

        def ask(query: str, *values: object) -> list[Row]:
            return list(connection.execute(query.encode(), values).fetchall())

        job = ask(
            "SELECT j.* FROM jobs_tuningjob j JOIN accounts_project p ON p.id = j.project_id "
            "WHERE p.slug = %s AND j.name = %s",
            *(project, name),
        )
        number = job[0]["id"]
        attempts = "SELECT a.*, t.number AS trial FROM jobs_attempt a JOIN jobs_trial t ON t.id = a.trial_id"
        points = "SELECT m.* FROM jobs_metricpoint m JOIN jobs_attempt a ON a.id = m.attempt_id"
        return {
            "job": job,
            "trials": ask("SELECT * FROM jobs_trial WHERE job_id = %s ORDER BY number", number),
            "attempts": ask(f"{attempts} WHERE t.job_id = %s ORDER BY t.number, a.number", number),
            "points": ask(
                f"{points} JOIN jobs_trial t ON t.id = a.trial_id WHERE t.job_id = %s ORDER BY a.id, m.step", number
            ),
            "usage": ask("SELECT * FROM jobs_usageentry WHERE job_id = %s", number),
            "decisions": ask("SELECT * FROM jobs_decision WHERE job_id = %s ORDER BY id", number),
            "events": ask("SELECT * FROM jobs_event WHERE job_id = %s ORDER BY seq", number),
            "live": ask("SELECT token FROM jobs_attempt WHERE ended_at IS NULL AND backend <> 'external'"),
            "found": ask(
                "SELECT a.name FROM catalog_algorithm a JOIN accounts_project p ON p.id = a.project_id "
                "WHERE p.slug = %s AND a.name LIKE %s",
                *(project, f"{name}-%"),
            ),
        }


def taken_gpus(database_url: str) -> set[str]:
    """The ids of those that somebody holds now."""
    query = b"SELECT DISTINCT jsonb_array_elements_text(devices) FROM jobs_attempt WHERE ended_at IS NULL"
    with psycopg.connect(database_url) as connection:
        return {row[0] for row in connection.execute(query).fetchall()}


def points_of(rows: list[Row]) -> dict[int, list[tuple[int, float]]]:
    stored = defaultdict(list)
    for row in rows:
        stored[row["attempt_id"]].append((row["step"], row["value"]))
    return dict(stored)


def outdated_of(rows: list[Row]) -> dict[int, set[int]]:
    outdated = defaultdict(set)
    for row in rows:
        if row["superseded"]:
            outdated[row["attempt_id"]].add(row["step"])
    return dict(outdated)


def logs_of(home: Path, attempts: list[Row]) -> dict[int, list[float]]:
    """The points that stand in the attempts' logs, in whole lines."""
    printed = {}
    for attempt in attempts:
        for path in _logs(home, attempt["token"]):
            with path.open("rb") as lines:  # some are of 200 MB
                found = [SCORE.match(line) for line in lines if b"score" in line]
            printed[attempt["id"]] = [float(match[1]) for match in found if match]
    return printed


def _logs(home: Path, token: str) -> list[Path]:
    paths = (home / "trials" / token / "log", home / "containers" / token / "told" / "log")
    return [path for path in paths if path.is_file()]


def log_bytes_of(home: Path, attempts: list[Row]) -> int:
    return sum(path.stat().st_size for attempt in attempts for path in _logs(home, attempt["token"]))


def notes_in(path: Path) -> list[Note]:
    if not path.is_file():
        return []
    lines = [line.split() for line in path.read_text().splitlines()]
    return [Note(int(trial), int(attempt), word, float(at), int(pid)) for trial, attempt, word, at, pid in lines]


def as_document(value: object) -> Any:
    """A JSON column, which drivers hand over as an object or as text."""
    return json.loads(value) if isinstance(value, str) else value
