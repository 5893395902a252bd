"""Some rows of the fault suite (docs/chaos.md), on one service: whatever is killed, each invariant of the row holds.

`make chaos` plays all rows. HPT_CHAOS_SEED replays a run of these.
"""

import os
import time
from collections.abc import Iterator

import pytest

from hpt_web.embedded import home
from tests.chaos import ledger, stages
from tests.chaos.ledger import Entry
from tests.chaos.rows import BY_NAME, ROWS, SHORT
from tests.chaos.runner import Theatre

SEED = int(os.environ.get("HPT_CHAOS_SEED") or time.time())


def test_every_row_is_documented() -> None:
    text = (home.REPOSITORY / "docs" / "chaos.md").read_text("utf-8")
    assert [row.name for row in ROWS if f"| {row.name} | {row.who} | {row.what} |" not in text] == []


@pytest.fixture(scope="module")
def played() -> Iterator[list[Entry]]:
    entries: list[Entry] = []
    yield entries
    print(f"\n{ledger.account(entries, SEED)}")


@pytest.fixture(scope="module")
def theatre(played: list[Entry]) -> Iterator[Theatre]:
    with stages.scratch_folder() as scratch, stages.standing(scratch) as stage:
        folder = scratch / "ledger"
        folder.mkdir()
        yield Theatre(stage, folder, SEED)


@pytest.mark.timeout(300)
def test_every_invariant_holds_without_a_fault(theatre: Theatre, played: list[Entry]) -> None:
    played.append(theatre.measure(contained=False))
    assert not played[-1].broken


@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", SHORT)
def test_every_invariant_holds(theatre: Theatre, played: list[Entry], row: str) -> None:
    if theatre.per_round is None:  # a row was asked for alone
        theatre.measure(contained=False)
    played.append(theatre.play(BY_NAME[row]))
    assert not played[-1].broken, ledger.account(played[-1:], SEED)
