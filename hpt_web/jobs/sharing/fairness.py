"""What of a pool is each team's part, and whose turn that makes it: pure functions.

A team's part is what it would hold if everybody got what they may claim: what is guaranteed to it, and of the rest in
proportion to its weight, as far as it wants so much (fair share in two loops, as KAI does it). Of whole devices nobody
can hold 1.3: so each team has the whole ones of its part at any moment, and the one that lies between two parts goes to
whoever has used least for its weight lately. By and by everybody gets their parts, of however few devices; by what is
held alone the heaviest team would get that one every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from hpt_web.jobs.sharing.demands import Share

ROUNDING = 1e-9  # parts are sums of floats


@dataclass(frozen=True, slots=True)
class Claim:
    """What a team wants of a pool beside what it has of its part already, in proportion to its weight."""

    team: str
    weight: float
    wanted: float


def split(rest: float, claims: Iterable[Claim]) -> dict[str, float]:
    """`rest` devices among those who claim them, by weight; what one does not want goes to the others."""
    found: dict[str, float] = {}
    open_claims = sorted((claim for claim in claims if claim.wanted > 0), key=lambda one: one.wanted / one.weight)
    weights = sum(claim.weight for claim in open_claims)
    for claim in open_claims:  # whoever is content with least for its weight first
        found[claim.team] = min(claim.wanted, max(0.0, rest) * claim.weight / weights)
        rest -= found[claim.team]
        weights -= claim.weight
    return found


def shared_out(
    size: float, desired: Mapping[tuple[str, bool], float], shares: Mapping[str, Share], priorities: Mapping[str, int]
) -> dict[tuple[str, bool], float]:
    """The parts of a pool by team, and with those that are for spot trials alone; `desired` is what is held or wanted.

    Beyond the guarantees teams of lower priority get what those of higher priority leave, and spot trials what all
    others leave. What a team does not lend is nobody else's part.
    """
    parts: dict[str, float] = {}
    for team, share in shares.items():
        wanted = desired.get((team, False), 0) + desired.get((team, True), 0)
        parts[team] = min(share.guaranteed, wanted, share.most)
    rest = size - sum(max(part, shares[team].reserved) for team, part in parts.items())
    found, wanted_by_now = {}, dict.fromkeys(parts, 0.0)
    tiers: dict[tuple[bool, float], list[str]] = {}
    for team, spot in sorted(desired):
        tiers.setdefault((spot, -priorities[team]), []).append(team)
    for (spot, _), teams in sorted(tiers.items()):
        claims = []
        for team in teams:
            wanted_by_now[team] += desired[team, spot]
            most = min(wanted_by_now[team], shares[team].most)
            claims.append(Claim(team, shares[team].weight, most - parts[team]))
        given = split(rest, claims)
        rest -= sum(given.values())
        for team in teams:
            parts[team] += given.get(team, 0)
            found[team, spot] = parts[team]
    return found


class Standing(IntEnum):
    """How the next trial of a team lies to the team's part of the pool."""

    INSIDE = 0
    PARTLY = 1  # not all of it
    BEYOND = 2


def standing(held: float, part: float, largest: float, others: float) -> Standing:
    """`largest` is the largest trial of the team that waits for the pool, `others` that of the other teams: so much has
    to be left for theirs to come free at once by and by, if everybody holds no more than what is inside their part."""
    if held + max(1, largest) + max(1, others) - 1 <= part + ROUNDING:
        return Standing.INSIDE
    return Standing.PARTLY if held < part - ROUNDING else Standing.BEYOND


class Rank(IntEnum):
    """What a team may claim for its next trial."""

    GUARANTEED = 0
    REST = 1
    SPOT = 2


class Turn(NamedTuple):
    """Whose turn it is: the lowest one's. In the order of its members."""

    rank: Rank
    priority: float  # of the team, negated; -inf for one that is short of its guarantee
    standing: Standing
    full: float  # within a guarantee: the part of it that is held
    spot: bool
    used: float  # lately, in device-seconds for each device of the pool, over the team's weight
    level: float  # what would be held beyond the guarantee, over weight and size
    devices: float  # of its next trial, negated: of equals the largest comes first
    pool: str
    team: str
