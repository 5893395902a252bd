"""Which bracket of Hyperband a trial is of: by its number alone (Li et al., Hyperband, JMLR 18, 2018, algorithm 1).

Bracket b (from 0) judges its trials first at rung b: the first bracket starts many trials and drops them early, the
last one starts few and is the most patient. With s_max rungs in all and s = s_max - b the paper gives a bracket
n = ceil((s_max + 1) / (s + 1) * eta^s) trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def sizes(rungs: int, brackets: int, factor: float) -> list[int]:
    """The trials of each bracket of one round. There are no more brackets than ``rungs`` + 1."""
    eta = Fraction(factor)  # exact: a float's rounding must not make a bracket larger by one
    wanted = min(brackets, rungs + 1)
    return [math.ceil(Fraction(rungs + 1, s + 1) * eta**s) for s in range(rungs, rungs - wanted, -1)]


def spread(number: int, shares: list[int]) -> int:
    """The bracket of trial ``number`` where brackets fill side by side, in proportion to ``shares``.

    Multiples of the golden ratio fall evenly into any division of the circle, so that every stretch of trials has its
    part of each bracket. Trial 1 is of the first bracket.
    """
    at = ((number - 1) * _GOLDEN) % 1.0 * sum(shares)
    for bracket, share in enumerate(shares):
        at -= share
        if at < 0:
            return bracket
    return len(shares) - 1


@dataclass(frozen=True, slots=True)
class Block:
    """The trials ``first`` to ``last`` of one synchronous bracket, whose first rung is ``base``."""

    first: int
    last: int
    base: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def places(self, rung: int, factor: float) -> int:
        """How many of its trials come as far as ``rung`` (>= base); at least one."""
        return max(1, math.floor(Fraction(self.size) / Fraction(factor) ** (rung - self.base)))


def block(number: int, shares: list[int], budget: int | None = None) -> Block:
    """The synchronous bracket of trial ``number``: brackets fill one after the other, round after round.

    The last one of a job of ``budget`` trials is as small as what is left for it.
    """
    of_round = sum(shares)
    first = (number - 1) // of_round * of_round + 1
    base = 0
    while number >= first + shares[base]:
        first += shares[base]
        base += 1
    last = first + shares[base] - 1
    return Block(first, last if budget is None else max(number, min(last, budget)), base)
