"""Which paused trials go on: asynchronously as soon as one is among the best, or bracket by bracket."""

from __future__ import annotations

import math
from typing import Protocol

from tuning import rungs
from tuning.contracts import Number, Promotion
from tuning.history import History, Observation
from tuning.rungs import Place
from tuning.states import TrialState
from tuning.strategies.brackets import Block, block


class Ladder(Protocol):
    """What is asked of Hyperband here: its rungs, and how far a trial may go."""

    factor: float
    levels: tuple[int, ...]
    shares: list[int]

    def level(self, rung: int) -> int: ...

    def bracket(self, number: int) -> int: ...

    def granted(self, trial: Observation) -> int: ...


def asynchronous(ladder: Ladder, history: History) -> list[Promotion]:
    """The paused trials among the best floor(n / eta) of the n at their rung, the highest rung and the best first.

    Trials of every bracket that have come as far are compared, and inherited ones where their values are comparable.
    """
    found: list[Promotion] = []
    trials = rungs.sound(history)
    for rung in reversed(range(len(ladder.levels))):
        places = rungs.ranked(history, _at(ladder, trials, rung))
        best = math.floor(len(places) / ladder.factor)
        for rank, place in enumerate(places[:best], 1):
            if place.trial.state is TrialState.PAUSED and ladder.granted(place.trial) == rung:
                found.append(_promoted(ladder, place, rung, rank, len(places), f"the best {best} go on"))
    return found


def synchronous(ladder: Ladder, history: History) -> list[Promotion]:
    """The best of every rung that all trials of a bracket have come to; older brackets first.

    A rung waits until its bracket is full and none of its trials runs towards it any more; trials that broke have left
    it. Of n trials at the first rung of a bracket the best floor(n / eta^k), at least one, come k rungs further.
    """
    found: list[Promotion] = []
    own = {trial.number: trial for trial in history.own}
    first = 1
    while first <= len(own):
        this = block(first, ladder.shares, history.budget)
        members = [own[number] for number in range(this.first, this.last + 1) if number in own]
        if len(members) == this.size and any(trial.state is TrialState.PAUSED for trial in members):
            found += _of_bracket(ladder, history, this, members)
        first = this.last + 1
    return found


def _of_bracket(ladder: Ladder, history: History, this: Block, members: list[Observation]) -> list[Promotion]:
    for rung in range(this.base, len(ladder.levels)):
        # Whoever was promoted from here keeps its place: nobody takes it over if that trial breaks further up.
        taken = [trial for trial in members if ladder.granted(trial) > rung]
        here = [trial for trial in members if ladder.granted(trial) <= rung]
        if not all(trial.state.terminal or trial.state is TrialState.PAUSED for trial in here):
            return []
        able = [trial for trial in here if trial.state in (TrialState.PAUSED, TrialState.COMPLETED)]
        places = rungs.ranked(history, _at(ladder, taken + able, rung))
        wanted = this.places(rung + 1, ladder.factor)
        free = [place for place in places if place.trial not in taken][: max(0, wanted - len(taken))]
        go = [place for place in free if place.trial.state is TrialState.PAUSED]
        if go:
            why = f"{wanted} of the {this.size} of its bracket go on"
            return [_promoted(ladder, place, rung, places.index(place) + 1, len(places), why) for place in go]
        members = taken + [place.trial for place in free]
    return []


def winner(ladder: Ladder, history: History) -> list[Promotion]:
    """The best paused trial of the highest rung, once no trial is to come or runs and none has come to its end.

    Few trials leave no best floor(n / eta) of the upper rungs; the search is still to end with a whole trial.
    """
    if history.budget is None or len(history.own) < history.budget:
        return []
    if any(not trial.state.terminal and trial.state is not TrialState.PAUSED for trial in history.own):
        return []
    most = ladder.level(len(ladder.levels))
    if any(trial.state is TrialState.COMPLETED or rungs.resource(trial) >= most for trial in rungs.sound(history)):
        return []
    highest = max((ladder.granted(trial) for trial in history.paused), default=0)
    paused = [trial for trial in history.paused if ladder.granted(trial) == highest]
    places = rungs.ranked(history, _at(ladder, paused, highest))
    return [_promoted(ladder, p, highest, 1, len(places), "no trial has come to its end yet") for p in places[:1]]


def _at(ladder: Ladder, trials: list[Observation], rung: int) -> list[Place]:
    """The places of those ``trials`` that have come to ``rung``."""
    places: list[Place] = []
    for trial in trials:
        value = rungs.value_at(trial, ladder.levels[rung])
        if value is not None:
            places.append(Place(trial, value))
        elif trial.inherited_from is None and ladder.bracket(trial.number) <= rung < ladder.granted(trial):
            places.append(Place(trial, None))
    return places


def _promoted(ladder: Ladder, place: Place, rung: int, rank: int, count: int, why: str) -> Promotion:
    level, following = ladder.level(rung), ladder.level(rung + 1)
    numbers: dict[str, Number] = {"rung": level, "next_rung": following, "rank": rank, "trials": count}
    if place.value is not None:
        numbers["value"] = place.value
    reason = (
        f"Promoted from rung {level} to {following}: number {rank} of the {count} there with {place.value:.6g}; {why}."
    )
    return Promotion(place.trial.number, reason, numbers)
