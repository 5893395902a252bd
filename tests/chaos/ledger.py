"""The account of a run: what was asked for against what really happened, row by row, and what broke."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.chaos.evidence import Evidence
from tests.chaos.invariants import most_held
from tests.chaos.rows import Row

HEADS = (
    *("row", "asked", "ran", "ended", "retried", "overlaps", "places", "really", "in logs", "stored", "extra/kills"),
    *("events", "answers", "seconds", "waited", "verdict"),
)


@dataclass(slots=True)
class Entry:
    """One row's result: `broken` are sentences, `skipped` says why it could not be run here."""

    row: Row
    evidence: Evidence | None = None
    broken: list[str] = field(default_factory=list)
    skipped: str = ""
    seed: int = 0
    stretch: float = 1.0  # how much longer who was at work took, as it had to wait for a processor

    @property
    def verdict(self) -> str:
        return "skipped" if self.skipped else "BROKEN" if self.broken else "holds"


def line(entry: Entry) -> list[str]:
    """One row of the table: counts of trials, then of attempts, places, points and executions."""
    e = entry.evidence
    if e is None:
        return [entry.row.name, *("-" for _ in HEADS[2:]), entry.verdict]
    ended = sum(trial["ended_at"] is not None for trial in e.trials)
    good = sum(answer.answered for answer in e.answers)
    return [
        entry.row.name,
        str(e.work.trials),
        str(len({attempt["trial"] for attempt in e.attempts})),
        str(ended),
        str(len(e.attempts) - len(e.trials)),
        str(len(e.overlaps())),
        f"{e.most_reserved()}/{e.slots}",
        f"{e.most_alive()}/{e.work.parallel}",
        str(sum(map(len, e.printed.values()))),
        str(sum(map(len, e.stored.values()))),
        f"{e.executions() - e.work.trials}/{e.kills}",
        f"{len(e.events)}x{len(e.pages)}",
        f"{good}/{len(e.answers)}" if e.answers else "-",
        f"{e.ended - e.began:.1f}",
        f"{entry.stretch:.1f}x",
        entry.verdict,
    ]


def table(entries: Sequence[Entry]) -> str:
    rows = [list(HEADS), *(line(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def account(entries: Sequence[Entry], seed: int) -> str:
    """The whole ledger, as it is printed at the end."""
    known = [entry.evidence for entry in entries if entry.evidence is not None]
    asked = sum(e.work.trials for e in known)
    points = sum(sum(map(len, e.stored.values())) for e in known)
    printed = sum(sum(map(len, e.printed.values())) for e in known)
    retried = sum(len(e.attempts) - len(e.trials) for e in known)
    lines = [
        f"The ledger of seed {seed}",
        "",
        table(entries),
        "",
        "places: most reserved at any moment, of the service's; really: most scripts that ran at once, of the job's; "
        "waited: how much longer than on an idle machine everything took",
        f"Trials: {asked} asked for, {sum(len(e.trials) for e in known)} committed; {retried} attempts more than that; "
        f"{sum(len(e.overlaps()) for e in known)} overlaps.",
        f"Points: {printed} in the logs, {points} stored. "
        f"Executions: {sum(e.executions() for e in known)}, after {sum(e.kills for e in known)} kills of trials.",
    ]
    lines += [f"{e.row} held (really) at most {_most(e)}." for e in known if e.bounds]
    for entry in entries:
        if entry.skipped:
            lines.append(f"{entry.row.name} skipped: {entry.skipped}")
    for entry in entries:
        if entry.broken:
            lines += ["", f"{entry.row.name} is BROKEN (replay: make chaos SEED={seed} ROWS={entry.row.name})"]
            lines += [f"    {text}" for text in entry.broken]
            lines += [f"    it was done: {text}" for text in (entry.evidence.told if entry.evidence else [])]
    broken = sum(bool(entry.broken) for entry in entries)
    held = sum(entry.verdict == "holds" for entry in entries)
    lines += ["", f"{held} rows hold, {broken} are broken, {sum(bool(entry.skipped) for entry in entries)} skipped."]
    return "\n".join(lines)


def _most(e: Evidence) -> str:
    """Of each bound the most that was reserved, and that really ran."""
    reserved, really = most_held(e)
    told = [(f"{amount:.2g} ({really[bound]:.2g})", bound) for bound, amount in sorted(reserved.items())]
    return ", ".join(f"{held} of {bound.most:g}: {bound.what}" for held, bound in told)


def across(entries: Sequence[Entry]) -> str:
    """Rows by seeds: the seconds that each took, its verdict unless it holds. R0 is played on each kind of service."""
    seeds = list(dict.fromkeys(entry.seed for entry in entries))
    names = list(dict.fromkeys(entry.row.name for entry in entries))
    rows = [["row", *(f"seed {seed}" for seed in seeds)]]
    for name in names:
        rows.append([name, *(_cell([e for e in entries if (e.seed, e.row.name) == (seed, name)]) for seed in seeds)])
    verdicts = [entry.verdict for entry in entries]
    rows.append(["holds", *(str(_count(entries, seed, "holds")) for seed in seeds)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    played = [entry for entry in entries if entry.evidence is not None]
    kills = sum(entry.evidence.kills for entry in played if entry.evidence is not None)
    lines += [
        "",
        f"{len(seeds)} seeds, {len(played)} plays of {len(names)} rows: {verdicts.count('holds')} hold, "
        f"{verdicts.count('BROKEN')} are broken, {verdicts.count('skipped')} skipped. Trials: "
        f"{sum(e.evidence.work.trials for e in played if e.evidence)} asked for, "
        f"{sum(len(e.evidence.trials) for e in played if e.evidence)} committed, {kills} kills of trials, "
        f"{sum(len(e.evidence.overlaps()) for e in played if e.evidence)} overlaps.",
    ]
    return "\n".join(lines)


def _cell(entries: Iterable[Entry]) -> str:
    told = []
    for entry in entries:
        took = f"{entry.evidence.ended - entry.evidence.began:.1f}" if entry.evidence else ""
        told.append(took if entry.verdict == "holds" else f"{entry.verdict} {took}".strip())
    return " ".join(told) or "-"


def _count(entries: Sequence[Entry], seed: int, verdict: str) -> int:
    return sum(entry.verdict == verdict for entry in entries if entry.seed == seed)
