"""`python -m tests.chaos`: play rows of the fault table, print the ledger, and exit with 1 if an invariant broke."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.chaos import ledger
from tests.chaos.interrupts import interruptible
from tests.chaos.ledger import Entry
from tests.chaos.rows import Row, chosen
from tests.chaos.runner import Theatre, play_all, played
from tests.chaos.stages import Absent, Staging, manage, scratch_folder
from tests.faults.lab import Lab

WARNING = """\
This breaks the service in {home} on purpose, again and again: it kills and stops its processes (web, worker, follower,
PostgreSQL, Valkey), ends database connections, pauses and fills the queue, and starts a second worker and follower for
a while. Jobs that run there live through it, if the service is what it claims to be. It makes an administrator, a
project named {project}-TIME, and some more projects and teams named after that, and leaves them there with the jobs
that it ran; the account is deactivated at the end. It changes no other data, and installs nothing. Never run it where
people work.
"""
CLOSE = "from hpt_web.accounts.models import User; User.objects.filter(username={name!r}).update(is_active=False)"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rows", default="all", help="such as R4,R17; `short` for those of the tests; default all")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="replays a run; default: the time")
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="play with so many seeds, one after the other"
    )
    parser.add_argument("--soak", type=float, default=120.0, metavar="SECONDS", help="length of R28")
    parser.add_argument("--home", type=Path, help="HPT_HOME of a staging system that runs on this host")
    parser.add_argument("--yes-break-it", action="store_true", help="confirms that --home may be broken")
    options = parser.parse_args()
    try:
        rows = chosen(options.rows)
    except ValueError as error:
        parser.error(str(error))
    project = f"chaos-{options.seed}"
    if options.home and not options.yes_break_it:
        print(WARNING.format(home=options.home, project=project))
        print("Add --yes-break-it (make chaos STAGING=... CONFIRM=yes) if that is what you want.")
        return 2
    entries: list[Entry] = []
    try:
        with interruptible():
            for seed in range(options.seed, options.seed + max(1, options.seeds)):
                print(f"seed {seed} (replay: make chaos SEED={seed} ROWS={options.rows})", flush=True)
                play(rows, seed, options.home, options.soak, entries)
    except KeyboardInterrupt as error:
        print(f"Ended by {error}; what was broken is put right.")
        return 130
    except Absent as error:
        print(error)
        return 2
    finally:
        if options.seeds > 1 and entries:
            print(f"\nThe ledger of all seeds\n\n{ledger.across(entries)}", flush=True)
    return 1 if any(entry.broken for entry in entries) else 0


def play(rows: Sequence[Row], seed: int, home: Path | None, soak: float, entries: list[Entry]) -> None:
    """All rows with one seed; what came of them is printed, and added to `entries`, whatever ends it."""
    own: list[Entry] = []
    try:
        with scratch_folder() as scratch:
            if home:
                own.extend(play_staging(rows, seed, home.resolve(), scratch, soak))
            else:
                own.extend(play_all(rows, seed, scratch, soak))
    finally:
        entries += own
        if own:
            print(f"\n{ledger.account(own, seed)}", flush=True)


def play_staging(rows: Sequence[Row], seed: int, home: Path, scratch: Path, soak: float) -> Iterator[Entry]:
    """On an operator's own service: only what its supervisor repairs by itself."""
    stage = Staging(home, scratch)
    name = f"chaos-{seed}-{int(time.time())}"  # a seed may be played again
    try:
        lab = Lab(stage, scratch, owner=name, project=name, password=secrets.token_urlsafe(24))
        theatre = Theatre(stage, scratch, seed, lab)
        theatre.soak_seconds = soak
        yield theatre.measure(contained=False)
        for row in rows:
            own = "it needs a service of its own, which the staging system is not" if row.own else ""
            if reason := own or stage.why_not(row.who):
                print(f"{row.name} is skipped: {reason}", flush=True)
                yield Entry(row, skipped=reason, seed=seed)
            elif row.name != "R0":
                yield played(theatre, row)
    finally:
        stage.stop()
        manage(stage, "shell", "-c", CLOSE.format(name=name))


if __name__ == "__main__":
    sys.exit(main())
