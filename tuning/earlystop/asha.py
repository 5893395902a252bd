"""Asynchronous successive halving of the stopping type (Li et al., 2020; Syne Tune's HyperbandScheduler)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuning.contracts import Number, Verdict
from tuning.earlystop import curves
from tuning.earlystop.board import Board, HistoryBoard
from tuning.errors import Fault
from tuning.history import History
from tuning.registry import Info, Option

INFO = Info(
    name="asha",
    title="Successive halving (ASHA)",
    summary="Judges trials at a few rungs of reports, each a multiple of the one before, and lets only the best share "
    "of those that reached a rung go on. Saves most, and needs objectives whose early values tell something.",
    options=(
        Option(
            "min_resource",
            "integer",
            1,
            1,
            1_000_000,
            help="The first rung, in reports of the objective (such as epochs).",
        ),
        Option(
            "reduction_factor",
            "float",
            3.0,
            2,
            1000,
            help="Each rung is this many times the one before, and the best 1 / reduction_factor of the trials that "
            "reached it go on. 2 stops more gently.",
        ),
        Option(
            "max_resource",
            "integer",
            None,
            1,
            1_000_000,
            help="The reports of a whole trial: there is no rung from there on. Left out, the rungs have no end.",
        ),
    ),
)


def faults(options: Mapping[str, object]) -> list[Fault]:
    """What is wrong with the options together."""
    low, high = options["min_resource"], options["max_resource"]
    if not (isinstance(low, int) and isinstance(high, int)) or low <= high:
        return []
    return [Fault("max_resource", f"is {high}, below min_resource {low}; give at least {low}", "range")]


class SuccessiveHalving:
    """At rung r = min_resource x reduction_factor^k, stop unless among the best ceil(n / reduction_factor) of n.

    n counts the values of report r of all trials that have reached it, the judged one's included; of equal values all
    go on that one of them may. A trial is judged once at each rung, against those that have been there by then: nobody
    waits, and the first ones go on. Inherited trials count where their values are comparable. A trial that has come to
    max_resource is left to end by itself: it may have its model to save.
    """

    def __init__(self, min_resource: int = 1, reduction_factor: float = 3.0, max_resource: int | None = None) -> None:
        self.min_resource = min_resource
        self.reduction_factor = reduction_factor
        self.max_resource = max_resource

    def judge(self, number: int, history: History) -> Verdict:
        return self.judge_on(number, HistoryBoard(history))

    def judge_on(self, number: int, board: Board) -> Verdict:
        reports = board.reports(number)
        interval, value = reports.interval, reports.last
        rung = self._rung_from(interval)
        last = self.max_resource is not None and rung >= self.max_resource
        if rung != interval or last:
            following = "no rung is left" if last else f"next at report {rung}"
            return Verdict(False, f"Not judged at report {interval}: {following}.", {"interval": interval})
        better, trials = board.values_better_than(number, value, rung)
        places = -int(-trials // self.reduction_factor)
        # What is not finite is not among the best, even where more places are left than others are better.
        stop = better >= places or (not math.isfinite(value) and better > 0)
        reason = (
            f"{'Stopped' if stop else 'Goes on'} at rung {rung}: {better} of the {trials} trials that reached it are "
            f"better than its {curves.shown(value)} there; the best {places} go on."
        )
        numbers: dict[str, Number] = {
            "interval": interval,
            "rung": rung,
            **curves.finite(value=value),
            "trials": trials,
        }
        return Verdict(stop, reason, {**numbers, "better": better, "places": places})

    def _rung_from(self, interval: int) -> int:
        """The first rung at or after ``interval``, in whole reports."""
        rung = float(self.min_resource)
        while round(rung) < interval:
            rung *= self.reduction_factor
        return round(rung)
