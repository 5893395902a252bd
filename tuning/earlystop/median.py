"""Median stopping, as Azure HyperDrive documents it."""

from __future__ import annotations

from tuning.contracts import Verdict
from tuning.earlystop import curves, intervals
from tuning.earlystop.board import Board, HistoryBoard
from tuning.history import History
from tuning.registry import Info

INFO = Info(
    name="median",
    title="Median stopping",
    summary="Stops a trial whose best value so far is worse than the median of all trials' running averages up to the "
    "same report. With interval 1 and delay 5 it saves about 25 to 35 % without losing on the objective.",
    options=intervals.OPTIONS,
)


class MedianStopping:
    """Stop at report N if the trial's best value is strictly worse than the median of the running averages.

    A running average is the mean of a trial's reports 1 to N (as many as it has); all trials with at least one report
    count, ended ones and the judged one included. Inherited trials count where their values are comparable. The other
    readings of the rule (the current value instead of the best; earlier trials only) are AMT's and Katib's.
    """

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        self.evaluation_interval = evaluation_interval
        self.delay_evaluation = delay_evaluation

    def judge(self, number: int, history: History) -> Verdict:
        return self.judge_on(number, HistoryBoard(history))

    def judge_on(self, number: int, board: Board) -> Verdict:
        reports = board.reports(number)
        interval, best = reports.interval, reports.best
        if interval == 0:
            return Verdict(False, "Not judged: nothing reported yet.", {"interval": 0})
        if reason := intervals.not_due(interval, self.evaluation_interval, self.delay_evaluation):
            return Verdict(False, reason, {"interval": interval})
        middle, trials = board.median_average(interval)
        if not trials:
            reason = f"Goes on at report {interval}: no trial has reported a finite number yet."
            return Verdict(False, reason, {"interval": interval, "trials": 0})
        stop = curves.clearly_better(board.goal, middle, best)
        relation = "worse than" if stop else "not worse than"
        reason = (
            f"{'Stopped' if stop else 'Goes on'} at report {interval}: its best value {curves.shown(best)} is "
            f"{relation} {middle:.6g}, the median of the running averages of {trials} trials."
        )
        return Verdict(
            stop, reason, {"interval": interval, **curves.finite(best=best), "median": middle, "trials": trials}
        )
