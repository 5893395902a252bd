"""The engine for a notebook: ask for points, tell what came of them. The code behind it is the one the service runs.

    from tuning import Tuner

    tuner = Tuner(
        [
            {"name": "lr", "type": "float", "min": 1e-5, "max": 0.1, "scale": "log"},
            {"name": "layers", "type": "integer", "min": 1, "max": 6},
            {"name": "optimizer", "type": "categorical", "values": ["sgd", "adam"]},
            {"name": "momentum", "type": "float", "min": 0, "max": 0.99,
             "when": {"parameter": "optimizer", "in": ["sgd"]}},
        ],
        objective="maximize",
        early_stopping="median",
        max_trials=50,
    )
    while not tuner.done:
        for trial in tuner.ask():
            for accuracy in train(**trial.config):      # yields the accuracy after each epoch
                tuner.report(trial, accuracy)
                if tuner.should_stop(trial).stop:
                    break
            tuner.tell(trial)                           # its value is the last one reported
    print(tuner.completion.reason, tuner.best().config, tuner.best().value)

Without epochs it is ``tuner.tell(trial, value)``; a whole curve, or the exception that ended the training, may stand in
the place of the value. Several trials at a time: ``tuner.ask(4)``, and tell them in any order, from any thread. A tuner
can be pickled and copied; one that was saved goes on as it would have, and its trials that ran are among ``trials``.

A search is ``done`` when its trials, its time or its points are used up, and ``completion`` says which. Hyperband
decides by itself how far each trial goes, and may pause one to take it up again later. Its trials come from the same
loop:

    tuner = Tuner(space, strategy="hyperband", mode="promotion", max_resource=27, max_trials=50)
    while not tuner.done:
        for trial in tuner.ask():                   # none at times: it waits for those that run
            for epoch, accuracy in train(**trial.config, checkpoint=trial.number, resume=trial.resumed):
                tuner.report(trial, accuracy, epoch)
                if tuner.should_stop(trial).stop:
                    break
            tuner.tell(trial)                       # Paused, EarlyStopped or Completed
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from threading import RLock
from time import monotonic
from typing import SupportsFloat

from tuning import earlystop, repeats
from tuning.arguments import SEED, read_arguments
from tuning.completion import Completion, Criteria, Spent, Standing, met_by
from tuning.contracts import Policy, Scheduler, Strategy, Verdict
from tuning.errors import SpaceExhausted, StrategyFailed
from tuning.history import History, Observation
from tuning.outcomes import Curve, read_count, read_outcome, read_report
from tuning.simulate import stopped
from tuning.space import SearchSpace, Value
from tuning.states import TrialState
from tuning.trials import Point, Trial, Trials
from tuning.warmstart import Dropped
from tuning.warmstart.given import Parents

__all__ = ["Trial", "Tuner"]


class Tuner:
    """A search over ``space``: a SearchSpace, or its document (see ``SearchSpace.from_json``).

    Args:
        objective: "maximize" or "minimize".
        strategy: the name of one (``tuning.strategies.catalogue()`` lists them), whose ``options`` follow by keyword,
            or any Strategy. What one of your own suggests is held to the contract.
        seed: the same seed and the same answers give the same points, in any process. It is 0 where none is given.
            None: one is drawn, and kept in ``seed``.
        early_stopping: the name of a policy, a mapping with its name and options ({"name": "median",
            "delay_evaluation": 5}), any Policy, or None: never stop. A strategy that schedules trials (hyperband) takes
            none. One of your own that breaks stops nothing, and the verdict says why.
        initial_points: points to try first, in this order.
        repeats: how often each point is run; see ``best_point``.
        max_trials: how many trials there may be; None: as many as are asked for, with ``parents`` as many as theirs
            leave of 500 (F20).
        completion: when the search is over, as in a job's document: {"target": 0.95}, {"max_not_improving": 20}, ...
            A failed trial is one without improvement; {"max_seconds": 3600} counts from the first ``ask``.
        profile: the service whose rules and defaults hold, such as "sagemaker" (profiles.py): its own strategy in the
            place of "auto", its seed, if it has one, where none or None is given, its scale where a range of the
            space's document names none ("sagemaker": auto), and no more trials than it runs.
        static: values that are the same in every trial: part of ``Trial.arguments``, and what strategies and warm
            starts ask for.
        parents: earlier searches to learn from, five at most: tuners or their histories, in a list or by name. The
            rules of a job's warm start hold as far as the parents are known: a tuner must have had the same
            hyperparameters, searched or static (what a script fixes belongs in ``static``). What cannot be used of
            them is in ``dropped``, with the reason.
        warm_start: "identical" if the parents' values are of the same objective on the same data, or "transfer": only
            where the good region lies is learnt from them. None is as ``comparable`` says.
        inherited: single trials of earlier searches, as many as there are and under no rule, but each must fit
            (``dropped``); each may name its search in ``inherited_from``.
        comparable: whether the inherited values are comparable, where ``warm_start`` does not say it.

    Numbers may be numpy's, and lists its arrays or range objects.

    Raises:
        InvalidSpec: with every fault of the arguments.
    """

    def __init__(
        self,
        space: SearchSpace | object,
        objective: str = "maximize",
        strategy: str | Strategy = "auto",
        seed: int | None = SEED,
        *,
        early_stopping: str | Mapping[str, object] | Policy | None = None,
        initial_points: Iterable[Mapping[str, Value]] = (),
        repeats: int = 1,
        max_trials: int | None = None,
        completion: Mapping[str, object] | None = None,
        profile: str | None = None,
        static: Mapping[str, Value] | None = None,
        parents: Parents = (),
        warm_start: str | None = None,
        inherited: Iterable[Observation] = (),
        comparable: bool = True,
        **options: object,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "options")}
        read = read_arguments(given, options)
        self.space, self.goal, self.seed, self.max_trials = read.space, read.goal, read.seed, read.max_trials
        self.static: Mapping[str, Value] = read.static
        self.dropped: tuple[Dropped, ...] = read.inherited.dropped
        self._strategy, self._policy = read.strategy, read.policy
        self._scheduler = self._strategy if isinstance(self._strategy, Scheduler) else None
        self._criteria, self._improvement = read.criteria, read.improvement
        self._repeats = read.repeats
        self._trials = Trials(read.goal, read.inherited.observations, read.comparable)
        self._judged: dict[int, int] = {}  # how many reports of a trial
        self._verdicts: dict[int, Verdict] = {}  # the last of each trial that runs
        self._stopped: dict[int, Verdict] = {}
        self._failures: dict[int, str] = {}
        self._spent: Completion | None = None
        self._short = False  # whether the strategy gave fewer points than were asked for
        self._ended: Completion | None = None  # by a rule of ``completion``, perhaps while trials run
        self._over: Completion | None = None  # why it was over as soon as it was
        self._begun: float | None = None
        self._lock = RLock()

    def __getstate__(self) -> dict[str, object]:
        # Copies, as other threads may go on while these are written. A clock of this process tells another nothing.
        with self._lock:
            state = {name: value for name, value in self.__dict__.items() if name != "_lock"}
            state |= {name: dict(getattr(self, name)) for name in ("_judged", "_verdicts", "_stopped", "_failures")}
            state["_trials"] = copy(self._trials)
            state["_begun"] = None if self._begun is None else monotonic() - self._begun
            return state

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._begun = None if self._begun is None else monotonic() - self._begun
        self._lock = RLock()

    @property
    def history(self) -> History:
        """Everything so far, as strategies and policies see it."""
        with self._lock:
            return self._trials.history(len(self._trials) if self._spent or self._ended else self.max_trials)

    @property
    def trials(self) -> tuple[Observation, ...]:
        """The trials so far, by number, with their states, values and curves. A record: their ``config`` cannot be
        changed, ``dict(trial.config)`` is a copy.
        """
        return self.history.own

    @property
    def completion(self) -> Completion | None:
        """What ended the search, and why; None until then: a rule of ``completion`` or ``max_trials``, or that the
        strategy has no point left (``space_exhausted``) or broke (``strategy_failed``). Once the search is over it
        stands, whatever the clock says.
        """
        with self._lock:
            return self._over or self._why()

    def _why(self) -> Completion | None:
        started = Criteria(max_started=self.max_trials)
        return self._completed() or self._spent or met_by(started, self._standing(), Spent())

    def _standing(self) -> Standing:
        return self._trials.tally.standing(len(self._trials), self._criteria.converged, self._improvement)

    @property
    def done(self) -> bool:
        """Whether the search is over: there is a ``completion``, nothing runs or will go on.

        Trials that are paused then have ended (EarlyStopped).
        """
        with self._lock:
            return self._settle()

    def ask(self, n: int = 1) -> list[Trial]:
        """The next ``n`` trials to run: paused ones that go on, then new points.

        Fewer where the space or ``max_trials`` runs out, or while a strategy that schedules waits for trials that run;
        none once a rule of ``completion`` is met. So there may be none at times, and none for good once it is ``done``.

        Raises:
            InvalidSpec: ``n`` is no number of trials.
            StrategyFailed: a strategy that is not HPT's broke. The search is over, like that of a job.
        """
        n = read_count(n)
        with self._lock:
            if self._completed():
                self._settle()
                return []
            self._begun = monotonic() if self._begun is None else self._begun
            asked = self._resumed(n)
            try:
                return asked + self._new(n - len(asked))
            except SpaceExhausted as error:
                failed = isinstance(error, StrategyFailed)
                self._spent = Completion("strategy_failed" if failed else "space_exhausted", error.reason)
                asked += self._resumed(n - len(asked))  # a bracket that was to be filled is as full as it gets
                self._settle()
                if failed and not asked:
                    raise
                return asked

    def _completed(self) -> Completion | None:
        """The rule of ``completion`` that was met first; it stands, whatever comes in afterwards."""
        if self._ended is None and self._over is None and self._criteria.rules:
            spent = Spent(0.0 if self._begun is None else monotonic() - self._begun)
            self._ended = met_by(self._criteria, self._standing(), spent)
        return self._ended

    def _settle(self) -> bool:
        """Whether the search is over; if so, why is fixed, and whoever is still paused has ended."""
        if self._over:
            return True
        spent = self._spent or (self.max_trials is not None and len(self._trials) >= self.max_trials)
        if self._trials.running or not (spent or self._completed()):
            return False
        if not self._ended and self._scheduler and self._scheduler.promote(self.history, 1):
            return False
        self._over = self._why()
        for trial in self.history.paused:
            self._trials.put(stopped(trial))
        return True

    def _resumed(self, n: int) -> list[Trial]:
        asked: list[Trial] = []
        for one in self._scheduler.promote(self.history, n) if self._scheduler else ():
            now = self._trials[one.number]
            self._trials.put(replace(now, state=TrialState.RUNNING, promotions=now.promotions + 1))
            asked.append(Trial(one.number, dict(now.config), one.reason, one.numbers, True, self.static, now.config))
        return asked

    def _new(self, n: int) -> list[Trial]:
        begun = len(self._trials)
        most = n if self.max_trials is None else min(n, self.max_trials - begun)
        numbers = range(begun + 1, begun + 1 + most)
        if not numbers or self._spent:
            return []
        asked: list[Trial] = []
        suggestions = self._strategy.suggest(self.space, self.history, numbers, self.seed)
        for number, one in zip(numbers, suggestions, strict=False):
            point = Point(one.config)
            self._trials.put(Observation(number, point, TrialState.RUNNING))
            asked.append(Trial(number, dict(point), one.reason, one.numbers, static=self.static, _point=point))
        self._short = len(asked) < most and self._scheduler is None
        if not asked and not self._trials.running:
            raise SpaceExhausted("The strategy suggests nothing more.")
        return asked

    def report(self, trial: Trial | Observation, value: SupportsFloat, step: int | None = None) -> None:
        """Add a value of the objective to the curve of a running trial; steps count from 1 unless given.

        A step that does not lie ahead begins the curve again from there: the trial could not resume where it was.
        """
        reported, given = read_report(value, step)
        with self._lock:
            now = self._trials.find(trial)
            at = (now.curve[-1][0] if now.curve else 0) + 1 if given is None else given
            kept = tuple(point for point in now.curve if point[0] < at)
            self._judged[now.number] = min(self._judged.get(now.number, 0), len(kept))
            self._trials.put(replace(now, curve=(*kept, (at, reported))))

    def should_stop(self, trial: Trial | Observation) -> Verdict:
        """Whether ``early_stopping`` gives the trial up, and why: at one of its reports since this was last asked. Each
        is judged once; without a new one the last verdict stands. A trial told after one to stop is EarlyStopped; or
        Paused, if it says ``pause``. A verdict to stop stands, whatever is reported after it. A report that is not
        finite (the training diverged) is one like the others, and worse than any.
        """
        with self._lock:
            now = self._trials.find(trial)
            if self._policy is None:
                return Verdict(False, "There is no early stopping: every trial runs to its end.")
            if not now.curve:
                return Verdict(False, "The trial has reported nothing yet.")
            if now.number in self._stopped:
                return self._stopped[now.number]
            judged = self._judged.get(now.number, 0)
            if judged == len(now.curve) and now.number in self._verdicts:
                return self._verdicts[now.number]
            verdict = earlystop.judge_reports(self._policy, now.number, self.history, min(judged, len(now.curve) - 1))
            self._judged[now.number] = len(now.curve)
            self._verdicts[now.number] = verdict
            if verdict.stop:
                self._stopped[now.number] = verdict
            return verdict

    def tell(
        self,
        trial: Trial | Observation,
        value: SupportsFloat | Curve | BaseException | None = None,
        *,
        curve: Curve | None = None,
        failure: str | BaseException | None = None,
    ) -> Observation:
        """Say what came of a trial, and get it as it is recorded.

        ``value`` is its objective; or, in its place, a curve (values by epoch, or pairs of step and value) or an
        exception, as by keyword. Left out, the last value of ``curve`` (in place of what was reported), else the last
        one reported. A trial with a ``failure``, without any value or with one that is not finite has Failed, and
        ``failures`` says why. One that pauses has no value yet.

        Raises:
            InvalidSpec: what was told is none of these.
            ValueError: the trial is not one that runs.
        """
        told = read_outcome(value, curve, failure)
        with self._lock:
            now = self._trials.find(trial)
            points = now.curve if told.points is None else told.points
            final = points[-1][1] if told.value is None and points else told.value
            broken = told.failure
            if broken is None and (final is None or not math.isfinite(final)):
                broken = "It ended without a value." if final is None else f"Its value is {final}."
            ended = _end(self._stopped.pop(now.number, None), broken is not None)
            self._verdicts.pop(now.number, None)
            if broken is not None:
                self._failures[now.number] = broken
            recorded = replace(
                now,
                state=ended,
                value=final if ended not in (TrialState.FAILED, TrialState.PAUSED) else None,
                curve=points,
            )
            self._trials.put(recorded)
            if not self._completed():
                self._look_ahead()
            self._settle()
            return recorded

    def _look_ahead(self) -> None:
        """Find out once nothing runs, and not when the next trial is asked for, that the space is exhausted.

        The strategy is asked, which may take long, only where that is likely.
        """
        begun, size = len(self._trials), self.space.size
        if self._spent or self._trials.running or begun == self.max_trials:
            return
        used = size is not None and len(self.history.used_keys(self.space)) >= size
        if not (used or self._short):
            return
        try:
            self._strategy.suggest(self.space, self.history, [begun + 1], self.seed)
        except StrategyFailed:
            pass  # to be told by ask
        except SpaceExhausted as error:
            self._spent = Completion("space_exhausted", error.reason)

    @property
    def failures(self) -> dict[int, str]:
        """Why trials failed, by number."""
        with self._lock:
            return dict(self._failures)

    def best(self) -> Observation | None:
        """The trial with the best value so far; None before the first. With ``repeats`` it is a single run, perhaps a
        lucky one, and so it is for the rules of ``completion``: ``best_point`` goes by the mean of the runs.
        """
        return self.history.best

    def best_point(self) -> Observation | None:
        """Of the points whose ``repeats`` have all ended, the one with the best mean; None before the first.

        ``number`` is its first trial, ``value`` the mean of the runs that gave one.
        """
        return repeats.best_point(self.space, self.history, self._repeats)


def _end(verdict: Verdict | None, broken: bool) -> TrialState:
    """The state of a trial that ends after this verdict to stop it, if there was one."""
    if broken:
        return TrialState.FAILED
    if verdict is None:
        return TrialState.COMPLETED
    return TrialState.PAUSED if verdict.pause else TrialState.EARLY_STOPPED
