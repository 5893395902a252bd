"""Patience: a trial that has not improved for some reports is stopped, unless it is the best."""

from types import SimpleNamespace

from tuning.contracts import Verdict
from tuning.errors import Fault
from tuning.registry import Info, Option

INFO = Info(
    name="patience",
    title="Patience",
    summary="Stops a trial that has not improved for some reports, unless its best value is the best of all.",
    options=(
        Option("reports", "integer", 3, 1, 1000, help="How many reports without improvement are borne."),
        Option("at_least", "integer", 4, 1, 1000, help="Trials with fewer reports than this are never stopped."),
    ),
)


class Patience:
    def __init__(self, reports, at_least):
        self.reports, self.at_least = reports, at_least

    def judge(self, number, history):
        values = [history.goal.sign * value for _, value in (history.trial(number) or SimpleNamespace(curve=())).curve]
        if len(values) < self.at_least:
            return Verdict(False, f"Not judged before report {self.at_least}.", {"reports": len(values)})
        best = max(values)
        since = len(values) - 1 - values.index(best)
        behind = any(history.goal.sign * value > best for trial in history.own for _, value in trial.curve)
        numbers = {"reports": len(values), "since": since}
        return Verdict(since >= self.reports and behind, f"No improvement for {since} reports.", numbers)


def faults(options):
    """What is wrong with several options together; each may be bad by itself as well."""
    reports, at_least = options["reports"], options["at_least"]
    if isinstance(reports, int) and isinstance(at_least, int) and at_least <= reports:
        return [Fault("at_least", f"is {at_least}; give more than reports, {reports}", "range")]
    return []


policy = SimpleNamespace(INFO=INFO, build=Patience, faults=faults)
