"""Truncation selection, as Azure HyperDrive documents it: the lowest share goes."""

from __future__ import annotations

from tuning.contracts import Number, Verdict
from tuning.earlystop import curves, intervals
from tuning.history import History
from tuning.registry import Info, Option

INFO = Info(
    name="truncation",
    title="Truncation selection",
    summary="Stops a trial that is among the worst given percentage of all trials at the same report. A larger "
    "percentage saves more.",
    options=(
        Option(
            "truncation_percentage",
            "integer",
            20,
            1,
            99,
            help="How many percent of the trials with this many reports are stopped, rounded down: 20 % of 9 trials "
            "is 1 trial.",
        ),
        Option(
            "exclude_finished_jobs",
            "choice",
            "no",
            choices=("no", "yes"),
            help="yes compares with running trials only.",
        ),
        *intervals.OPTIONS,
    ),
)


class Truncation:
    """Stop at report N if the trial is among the floor(n p / 100) worst of the n trials that have N reports.

    Compared are the best values of reports 1 to N. A trial that is equal to one which goes on goes on too. Inherited
    trials count where their values are comparable. Trials reach report N at different times: each is judged there
    once, against those that have been there by then, so the share of all trials that is stopped may differ.
    """

    def __init__(
        self,
        truncation_percentage: int = 20,
        exclude_finished_jobs: str = "no",
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
    ) -> None:
        self.truncation_percentage = truncation_percentage
        self.exclude_finished = exclude_finished_jobs == "yes"
        self.evaluation_interval = evaluation_interval
        self.delay_evaluation = delay_evaluation

    def judge(self, number: int, history: History) -> Verdict:
        values = curves.values(history.trial(number))
        interval = len(values)
        if reason := intervals.not_due(interval, self.evaluation_interval, self.delay_evaluation):
            return Verdict(False, reason, {"interval": interval})
        value = curves.best(history.goal, values)
        others = [
            curves.best(history.goal, found[:interval])
            for trial in curves.sound(history)
            if not (trial.number == number and trial.inherited_from is None)
            and not (self.exclude_finished and trial.state.terminal)
            and len(found := curves.values(trial)) >= interval
        ]
        trials = len(others) + 1
        quota = trials * self.truncation_percentage // 100
        not_better = 1 + sum(not history.goal.better(other, value) for other in others)
        stop = not_better <= quota
        reason = (
            f"{'Stopped' if stop else 'Goes on'} at report {interval}: {trials - not_better} of {trials} trials are "
            f"better than its best value {value:.6g} up to there; the worst {self.truncation_percentage} %, {quota}, "
            "are stopped."
        )
        numbers: dict[str, Number] = {"interval": interval, "best": value, "trials": trials}
        return Verdict(stop, reason, {**numbers, "better": trials - not_better, "quota": quota})
