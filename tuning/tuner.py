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
    )
    for _ in range(50):
        (trial,) = tuner.ask()
        for accuracy in train(**trial.config):      # yields the accuracy after each epoch
            tuner.report(trial, accuracy)
            if tuner.should_stop(trial).stop:
                break
        tuner.tell(trial)                           # its value is the last one reported
    print(tuner.best().config, tuner.best().value)

Without epochs it is ``tuner.tell(trial, value)``. Several trials at a time: ``tuner.ask(4)``, and tell them in any
order, from any thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock

from tuning import earlystop, strategies
from tuning.contracts import Number, Policy, Strategy, Verdict
from tuning.errors import Fault, InvalidSpec
from tuning.history import History, Observation
from tuning.initial_points import InitialPoints, points_from_json
from tuning.space import SearchSpace, Value
from tuning.states import Goal, TrialState

Curve = Sequence[float] | Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A point to try: ``reason`` and ``numbers`` say why this one. What becomes of it is in ``Tuner.trials``."""

    number: int
    config: dict[str, Value]
    reason: str
    numbers: dict[str, Number]


class Tuner:
    """A search over ``space``: a SearchSpace, or its document (see ``SearchSpace.from_json``).

    Args:
        objective: "maximize" or "minimize".
        strategy: the name of one (``tuning.strategies.catalogue()`` lists them), whose ``options`` follow by keyword,
            or any Strategy.
        seed: the same seed and the same answers give the same points, in any process.
        early_stopping: the name of a policy, a mapping with its name and options, any Policy, or None: never stop.
        initial_points: points to try first, in this order.
        inherited: trials of earlier searches, in this space; each names its search in ``inherited_from``.
        comparable: whether the inherited values are of the same objective on the same data (else only where the good
            region lies is learnt from them).

    Raises:
        InvalidSpec: with every fault of the arguments.
    """

    def __init__(
        self,
        space: SearchSpace | object,
        objective: str = "maximize",
        strategy: str | Strategy = "bayesian",
        seed: int = 0,
        *,
        early_stopping: str | Mapping[str, object] | Policy | None = None,
        initial_points: Iterable[Mapping[str, Value]] = (),
        inherited: Iterable[Observation] = (),
        comparable: bool = True,
        **options: object,
    ) -> None:
        if objective not in set(Goal):
            raise InvalidSpec([Fault("objective", f"is {objective!r}; use maximize or minimize", "unknown")])
        self.space = space if isinstance(space, SearchSpace) else SearchSpace.from_json(space)
        self.goal = Goal(objective)
        self.seed = seed
        self._policy = _policy(early_stopping)
        self._strategy = _strategy(strategy, options)
        if points := points_from_json(self.space, list(initial_points)):
            self._strategy = InitialPoints(points, self._strategy)
        self._inherited = tuple(inherited)
        self._comparable = comparable
        self._own: dict[int, Observation] = {}
        self._stopped: set[int] = set()
        self._lock = RLock()

    @property
    def history(self) -> History:
        """Everything so far, as strategies and policies see it."""
        with self._lock:
            return History(self.goal, tuple(self._own.values()), self._inherited, self._comparable)

    @property
    def trials(self) -> tuple[Observation, ...]:
        """The trials so far, by number, with their states, values and curves."""
        return self.history.own

    def ask(self, n: int = 1) -> list[Trial]:
        """The next ``n`` points to try; fewer where the space runs out.

        Raises:
            SpaceExhausted: no untried point is left.
        """
        with self._lock:
            numbers = range(len(self._own) + 1, len(self._own) + 1 + n)
            suggestions = self._strategy.suggest(self.space, self.history, numbers, self.seed)
            asked = [
                Trial(number, one.config, one.reason, one.numbers)
                for number, one in zip(numbers, suggestions, strict=False)
            ]
            for trial in asked:
                self._own[trial.number] = Observation(trial.number, dict(trial.config), TrialState.RUNNING)
            return asked

    def report(self, trial: Trial | Observation, value: float, step: int | None = None) -> None:
        """Add a value of the objective to the curve of a running trial; steps count from 1 unless given."""
        with self._lock:
            now = self._running(trial)
            at = len(now.curve) + 1 if step is None else step
            self._own[now.number] = replace(now, curve=(*now.curve, (at, float(value))))

    def should_stop(self, trial: Trial | Observation) -> Verdict:
        """Whether ``early_stopping`` gives the trial up at its last report, and why. A trial told after that is
        EarlyStopped.
        """
        with self._lock:
            now = self._running(trial)
            if self._policy is None:
                return Verdict(False, "There is no early stopping: every trial runs to its end.")
            if not now.curve:
                return Verdict(False, "The trial has reported nothing yet.")
            verdict = self._policy.judge(now.number, self.history)
            if verdict.stop:
                self._stopped.add(now.number)
            return verdict

    def tell(
        self,
        trial: Trial | Observation,
        value: float | None = None,
        *,
        curve: Curve | None = None,
        failure: str | Exception | None = None,
    ) -> Observation:
        """Say what came of a trial, and get it as it is recorded.

        ``value`` is its objective; left out, the last value of ``curve`` (values by epoch, or pairs of step and value;
        in place of what was reported), else the last one reported. A trial with a ``failure``, without any value or
        with one that is not finite has Failed.
        """
        with self._lock:
            now = self._running(trial)
            points = now.curve if curve is None else _points(curve)
            final = points[-1][1] if value is None and points else value
            broken = failure is not None or final is None or not math.isfinite(final)
            ended = TrialState.EARLY_STOPPED if now.number in self._stopped else TrialState.COMPLETED
            self._own[now.number] = replace(
                now,
                state=TrialState.FAILED if broken else ended,
                value=None if broken or final is None else float(final),
                curve=tuple(point for point in points if math.isfinite(point[1])),
            )
            return self._own[now.number]

    def best(self) -> Observation | None:
        """The trial with the best value so far; None before the first."""
        return self.history.best

    def _running(self, trial: Trial | Observation) -> Observation:
        found = self._own.get(trial.number)
        if found is None:
            raise ValueError(f"trial {trial.number} is not of this tuner")
        if found.state.terminal:
            raise ValueError(f"trial {trial.number} is over already: {found.state}")
        return found


def _strategy(strategy: str | Strategy, options: Mapping[str, object]) -> Strategy:
    if isinstance(strategy, str):
        return strategies.create(strategy, options)
    if options:
        raise InvalidSpec([Fault(f"strategy.options.{name}", "goes with a strategy's name only") for name in options])
    return strategy


def _policy(policy: str | Mapping[str, object] | Policy | None) -> Policy | None:
    if isinstance(policy, str):
        return earlystop.create(policy, {})
    if isinstance(policy, Mapping):
        options = {name: value for name, value in policy.items() if name != "name"}
        return earlystop.create(str(policy.get("name", "")), options)
    return policy


def _points(curve: Curve) -> tuple[tuple[int, float], ...]:
    pairs = (point if isinstance(point, tuple) else (step, point) for step, point in enumerate(curve, 1))
    return tuple((int(step), float(value)) for step, value in pairs)
