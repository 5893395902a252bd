"""Hyperband: many trials begin, and at a few rungs the best share of them is let go on.

``stopping``, the asynchronous successive halving that stops (Li et al., A system for massively parallel hyperparameter
tuning, 2020, section 3.3; Syne Tune), is what needs no checkpoints. ``promotion`` is the same paper's algorithm 2, and
``synchronous`` is Li et al., Hyperband (JMLR 18, 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tuning import rungs
from tuning.contracts import Number, Promotion, Strategy, Suggestion, Verdict
from tuning.documents import shown
from tuning.earlystop import curves
from tuning.errors import Fault, InvalidSpec, SpaceExhausted
from tuning.history import History, Observation
from tuning.registry import Info, Option
from tuning.space import SearchSpace
from tuning.states import TrialState
from tuning.strategies import brackets as bracketing
from tuning.strategies import promotions
from tuning.strategies.bayesian import Bayesian
from tuning.strategies.fidelity import Fidelities
from tuning.strategies.random_search import RandomSearch

Mode = Literal["stopping", "promotion", "synchronous"]
Searcher = Literal["random", "bayesian"]

MOST = 20_000  # F45
EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")  # F45, in the order in which they are looked for
_HALVINGS = 4  # of a trial whose max_resource nobody gave

INFO = Info(
    name="hyperband",
    title="Hyperband",
    summary="Starts many trials and gives only the best of them more epochs, so that poor ones cost little. Decides by "
    "itself how far each trial goes; needs objectives reported as the trial runs, whose early values tell something.",
    options=(
        Option(
            "min_resource",
            "integer",
            1,
            1,
            MOST,
            help="The first rung: no trial is judged before it has come this far, in steps of the objective (such as "
            "epochs).",
        ),
        Option(
            "max_resource",
            "integer",
            None,
            1,
            MOST,
            help="The steps of a whole trial. Left out, it is the static hyperparameter epochs (or numepochs, "
            "n-epochs, n_epochs, num_epochs).",
        ),
        Option(
            "reduction_factor",
            "float",
            3.0,
            2,
            1000,
            help="Each rung is this many times the one before, and the best 1 / reduction_factor of the trials at it "
            "go on. 2 is gentler.",
        ),
        Option(
            "mode",
            "choice",
            "stopping",
            choices=("stopping", "promotion", "synchronous"),
            help="stopping: a trial that is not among the best of those that came so far is stopped for good; needs no "
            "checkpoints. promotion: every trial pauses at its rung, and the best are taken up again as others fall "
            "behind; for scripts that can resume from a checkpoint. synchronous: brackets of fixed size that fill, "
            "wait for all and promote the best.",
        ),
        Option(
            "brackets",
            "integer",
            1,
            1,
            20,
            help="How many brackets share the trials. The first judges from min_resource on, each next one a rung "
            "later: insurance against objectives whose early values mislead.",
        ),
        Option(
            "searcher",
            "choice",
            "random",
            choices=("random", "bayesian"),
            help="What new trials are: random points, or the most promising ones (bayesian), by a Gaussian process "
            "that learns from the values at every rung; it takes far fewer epochs to a good trial.",
        ),
    ),
    schedules=True,
)


def faults(options: Mapping[str, object]) -> list[Fault]:
    """What is wrong with the options together."""
    low, high = options["min_resource"], options["max_resource"]
    if not (isinstance(low, int) and isinstance(high, int)) or low <= high:
        return []
    return [Fault("max_resource", f"is {high}, below min_resource {low}; give at least {low}", "range")]


def inferred(options: Mapping[str, object], static: Mapping[str, object], field: str) -> dict[str, object]:
    """The options, with max_resource from the static hyperparameters if it is not among them (F45).

    Raises:
        InvalidSpec: at ``field.options.max_resource``, if it is in neither, or is no number of epochs there.
    """
    if options.get("max_resource") is not None:
        return dict(options)
    at = f"{field}.options.max_resource"
    name = next((name for name in EPOCHS if name in static), None)
    if name is None:
        names = ", ".join(EPOCHS)
        message = f"is not given, and no static hyperparameter tells it ({names}); give the epochs of a whole trial"
        raise InvalidSpec([Fault(at, message, "required")])
    try:
        epochs = float(str(static[name]))
    except ValueError:
        epochs = 0.0
    if not (1 <= epochs <= MOST and epochs == int(epochs)):
        message = f"is not given, and the static hyperparameter {name} is {shown(static[name])}"
        raise InvalidSpec([Fault(at, f"{message}; give a whole number from 1 to {MOST}", "range")])
    return {**options, "max_resource": int(epochs)}


class Hyperband:
    """Trials are of brackets by their numbers, and are judged at the rungs of their bracket (see rungs.py).

    stopping: at a rung, stopped unless among the best ceil(n / eta) of the n trials that have come so far. promotion:
    paused at each rung; whenever there is room, the best trial among the best floor(n / eta) of a rung that has not
    been promoted from it goes on, the highest rung first. synchronous: see ``promotions.synchronous``.

    A trial's ``promotions`` tell how far it may go, whatever it reports: one that begins again without a checkpoint is
    not paused below the rung that it was promoted to. Failed and lost trials leave the comparison; nobody waits for
    them. Once the budget of trials is spent and nothing is left to promote, the best trial is brought to its end, if
    none has come there.
    """

    def __init__(
        self,
        min_resource: int = 1,
        max_resource: int | None = None,
        reduction_factor: float = 3.0,
        mode: Mode = "stopping",
        brackets: int = 1,
        searcher: Searcher = "random",
    ) -> None:
        self.most = max_resource or min(MOST, round(min_resource * reduction_factor**_HALVINGS))
        self.factor = reduction_factor
        self.mode = mode
        self.levels = rungs.levels(min_resource, self.most, reduction_factor)
        self.shares = bracketing.sizes(len(self.levels), brackets, reduction_factor)
        fidelities = Fidelities(self.levels, self.most)
        self.searcher: Strategy = Bayesian(fidelities=fidelities) if searcher == "bayesian" else RandomSearch()

    def bracket(self, number: int) -> int:
        """The bracket of trial ``number``, from 0; it is also the index of the first rung it is judged at."""
        if self.mode == "synchronous":
            return bracketing.block(number, self.shares).base
        return bracketing.spread(number, self.shares)

    def granted(self, trial: Observation) -> int:
        """The index of the rung that an own trial may go to; ``len(self.levels)`` means to its end."""
        return min(self.bracket(trial.number) + trial.promotions, len(self.levels))

    def level(self, rung: int) -> int:
        """The resource of a rung, or of a whole trial."""
        return self.levels[rung] if rung < len(self.levels) else self.most

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        try:
            found = self.searcher.suggest(space, history, numbers, seed)
        except SpaceExhausted:
            # Those that run may still make room for a promotion: the search is not over.
            if any(not trial.state.terminal and trial.state is not TrialState.PAUSED for trial in history.own):
                return []
            raise
        return [self._placed(number, one) for number, one in zip(numbers, found, strict=False)]

    def _placed(self, number: int, one: Suggestion) -> Suggestion:
        bracket = self.bracket(number)
        first = self.level(bracket)
        numbers: dict[str, Number] = {**one.numbers, "bracket": bracket + 1, "first_rung": first}
        which = f"Bracket {bracket + 1} of {len(self.shares)}: it" if len(self.shares) > 1 else "It"
        judged = "runs to its end" if bracket >= len(self.levels) else f"is first judged at step {first}"
        return replace(one, reason=f"{one.reason} {which} {judged}.", numbers=numbers)

    def judge(self, number: int, history: History) -> Verdict:
        trial = history.trial(number)
        if trial is None or not trial.curve:
            return Verdict(False, "The trial has reported nothing yet.", {"resource": 0})
        if rungs.resource(trial) > self.most:
            # Not at max_resource itself: a script that ends there may still have its model to save.
            reason = f"Stopped at step {rungs.resource(trial)}: a whole trial has {self.most}."
            return Verdict(True, reason, {"resource": rungs.resource(trial), "max_resource": self.most})
        return self._stopped(trial, history) if self.mode == "stopping" else self._paused(trial)

    def _paused(self, trial: Observation) -> Verdict:
        """Whether a trial has come as far as it may for now."""
        reached, rung = rungs.resource(trial), self.granted(trial)
        numbers: dict[str, Number] = {"resource": reached, "rung": self.level(rung), "promotions": trial.promotions}
        if rung == len(self.levels):
            return Verdict(False, f"Not judged at step {reached}: it may run to its end.", numbers)
        if reached < self.levels[rung]:
            return Verdict(False, f"Not judged at step {reached}: the next rung is at {self.levels[rung]}.", numbers)
        value, paused = rungs.value_at(trial, self.levels[rung]), f"Paused at rung {self.levels[rung]}"
        if value is None:
            return Verdict(True, f"{paused} without a finite value: it is not promoted.", numbers, pause=True)
        numbers["value"] = value
        rest = "waits for the others of its bracket" if self.mode == "synchronous" else "goes on when it is its turn"
        return Verdict(True, f"{paused} with {value}: {rest}.", numbers, pause=True)

    def _stopped(self, trial: Observation, history: History) -> Verdict:
        """Whether a trial that has just come to a rung is not among the best there."""
        reached = rungs.resource(trial)
        before = trial.curve[-2][0] if len(trial.curve) > 1 else 0
        own = self.levels[self.bracket(trial.number) :]
        level = max((level for level in own if before < level <= reached), default=None)
        if level is None:
            after = next((level for level in own if level > reached), None)
            following = "no rung is left" if after is None else f"the next rung is at {after}"
            return Verdict(False, f"Not judged at step {reached}: {following}.", {"resource": reached})
        value = trial.curve[-1][1]
        others = [
            rungs.value_at(other, level)
            for other in rungs.sound(history)
            if not (other.number == trial.number and other.inherited_from is None)
            and (rungs.resource(other) >= level or rungs.value_at(other, level) is not None)
        ]
        count = len(others) + 1
        places = -int(-count // self.factor)
        diverged = not math.isfinite(value)
        better = sum(other is not None and (diverged or history.goal.better(other, value)) for other in others)
        stop = better >= places or (diverged and better > 0)
        reason = (
            f"{'Stopped' if stop else 'Goes on'} at rung {level}: {better} of the {count} trials that reached it are "
            f"better than its {curves.shown(value)} there; the best {places} go on."
        )
        numbers: dict[str, Number] = {"resource": reached, "rung": level, **curves.finite(value=value), "trials": count}
        return Verdict(stop, reason, {**numbers, "better": better, "places": places})

    def promote(self, history: History, room: int) -> list[Promotion]:
        if self.mode == "stopping" or room <= 0 or not history.paused:
            return []
        find = promotions.synchronous if self.mode == "synchronous" else promotions.asynchronous
        return (find(self, history) or promotions.winner(self, history))[:room]
