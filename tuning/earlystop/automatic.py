"""The early stopping that SageMaker automatic model tuning calls Auto: a median rule of its own."""

from __future__ import annotations

from tuning.contracts import Number, Verdict
from tuning.earlystop import curves, intervals
from tuning.earlystop.board import Board, HistoryBoard
from tuning.history import History
from tuning.registry import Info

INFO = Info(
    name="automatic",
    title="Automatic (SageMaker)",
    summary="Stops a trial whose newest value is worse than the median of the earlier trials' running averages up to "
    "the same report. Stricter than median stopping on objectives that go up and down.",
    options=intervals.OPTIONS,
)


class Automatic:
    """Stop at report N if the value of report N is strictly worse than the median of earlier trials' running averages.

    Median stopping compares the trial's best value with all trials; this rule its current value with previous ones:
    those of a lower number that have not failed, and inherited ones where values are comparable. A running average is
    the mean of reports 1 to N; a running trial counts once it has N, an ended one with as many as it has.
    """

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        self.evaluation_interval = evaluation_interval
        self.delay_evaluation = delay_evaluation

    def judge(self, number: int, history: History) -> Verdict:
        return self.judge_on(number, HistoryBoard(history))

    def judge_on(self, number: int, board: Board) -> Verdict:
        reports = board.reports(number)
        interval, value = reports.interval, reports.last
        if reason := intervals.not_due(interval, self.evaluation_interval, self.delay_evaluation):
            return Verdict(False, reason, {"interval": interval})
        middle, trials = board.earlier_average(number, interval)
        if not trials:
            reason = f"Goes on at report {interval}: no earlier trial has come as far."
            return Verdict(False, reason, {"interval": interval, **curves.finite(value=value), "trials": 0})
        stop = curves.clearly_better(board.goal, middle, value)
        reason = (
            f"{'Stopped' if stop else 'Goes on'} at report {interval}: its value {curves.shown(value)} is "
            f"{'worse' if stop else 'not worse'} than {middle:.6g}, the median of the running averages of "
            f"{trials} earlier trials."
        )
        numbers: dict[str, Number] = {"interval": interval, **curves.finite(value=value, median=middle)}
        return Verdict(stop, reason, {**numbers, "trials": trials})
