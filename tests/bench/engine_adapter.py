"""The engine as the search-quality bench drives an optimiser: one class per way of using it, all on ``tuning.Tuner``.

The bench makes ``Class(space, seed, budget, history=None)`` and calls ``ask() -> config`` and ``tell(config, value)``;
values are minimised. For learning curves it calls ``suggest() -> [trial, config]``, ``report(trial, epoch, loss) ->
"go" | "stop" | "pause"`` and ``complete(trial, loss)``; a trial that ``suggest`` gives a second time goes on. Run, from
the bench's folder:

    python bench.py run --adapter .../tests/bench/engine_adapter.py:Bayesian --name hpt --python .../.venv/bin/python
        --suite core --seeds 0 --out /tmp/runs.jsonl
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tuning import Trial, Tuner
from tuning.history import Observation
from tuning.space import Categorical, Config, Float, Integer, Parameter, SearchSpace, Value
from tuning.states import TrialState


def plain(value: Any) -> Value:
    """A choice as the engine takes it: true and null are written as texts."""
    return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else str(value)


def parameter(declared: dict[str, Any]) -> Parameter:
    """A parameter of the bench: {name, type: float | int | cat, low, high, log, q, choices}."""
    name = declared["name"]
    if declared["type"] == "cat":
        return Categorical(name, tuple(map(plain, declared["choices"])))
    make = Integer if declared["type"] == "int" else Float
    scale = "log" if declared.get("log") else "linear"
    return make(name, declared["low"], declared["high"], scale, declared.get("q") or None)


class Bayesian:
    """History is of other data: its values are not comparable (TRANSFER_LEARNING)."""

    strategy: ClassVar[str] = "bayesian"
    options: ClassVar[dict[str, Any]] = {}
    comparable: ClassVar[bool] = False

    def __init__(
        self, space: list[dict[str, Any]], seed: int, budget: int, history: list[tuple[Config, float]] | None = None
    ) -> None:
        self.choices = {
            declared["name"]: {plain(choice): choice for choice in declared["choices"]}
            for declared in space
            if declared["type"] == "cat"
        }
        inherited = [
            Observation(number, self._plain(config), TrialState.COMPLETED, value, inherited_from="earlier")
            for number, (config, value) in enumerate(history or [], 1)
        ]
        self.tuner = Tuner(
            SearchSpace(tuple(parameter(declared) for declared in space)),
            "minimize",
            self.strategy,
            seed,
            inherited=inherited,
            comparable=self.comparable or not inherited,
            **self.options,
        )
        self.running: list[Trial] = []

    def ask(self) -> dict[str, Any]:
        (trial,) = self.tuner.ask()
        self.running.append(trial)
        return {n: self.choices[n][v] if n in self.choices else v for n, v in trial.config.items()}

    def tell(self, config: Config, value: float) -> None:
        """The bench hands back the values it was given, through JSON."""
        key = self.tuner.space.key
        told = key(self._plain(config))
        trial = next(trial for trial in self.running if key(trial.config) == told)
        self.running.remove(trial)
        self.tuner.tell(trial, value)

    def _plain(self, config: Config) -> dict[str, Value]:
        return {name: plain(value) for name, value in config.items()}


class Identical(Bayesian):
    """History is of the same data and algorithm: its values are observations like the own ones."""

    comparable = True


class Auto(Bayesian):
    """What a job gets that names no strategy."""

    strategy = "auto"


class AutoIdentical(Auto):
    """As ``Identical``; what latency is measured of."""

    comparable = True


class TPE(Bayesian):
    strategy = "tpe"


class TPEIdentical(TPE):
    """As ``Identical``; what latency is measured of."""

    comparable = True


class Anneal(Bayesian):
    strategy = "anneal"


class Random(Bayesian):
    strategy = "random"


class Curves:
    """Bayesian search on learning curves, poor trials ended by ``policy``."""

    strategy: ClassVar[str] = "bayesian"
    policy: ClassVar[str | dict[str, Any] | None] = None

    def __init__(self, space: list[dict[str, Any]], seed: int, budget: int, history: object = None) -> None:
        declared = SearchSpace(tuple(parameter(one) for one in space))
        self.tuner = Tuner(declared, "minimize", self.strategy, seed, early_stopping=self.policy)
        self.running: dict[int, Trial] = {}

    def suggest(self) -> tuple[int, dict[str, Any]]:
        (trial,) = self.tuner.ask()
        self.running[trial.number] = trial
        return trial.number, trial.config

    def report(self, number: int, epoch: int, loss: float) -> str:
        self.tuner.report(self.running[number], loss, epoch)
        return "stop" if self.tuner.should_stop(self.running[number]).stop else "go"

    def complete(self, number: int, loss: float) -> None:
        self.tuner.tell(self.running.pop(number))


class CurvesMedian(Curves):
    policy = {"name": "median", "delay_evaluation": 5}


class CurvesBandit(Curves):
    policy = {"name": "bandit", "slack_factor": 0.1, "delay_evaluation": 5}


class CurvesHyperband(Curves):
    """Hyperband in one of its modes: trials pause, and come back from ``suggest``."""

    mode: ClassVar[str] = "stopping"
    searcher: ClassVar[str] = "random"
    brackets: ClassVar[int] = 1

    def __init__(self, space: list[dict[str, Any]], seed: int, budget: int, history: object = None) -> None:
        self.tuner = Tuner(
            SearchSpace(tuple(parameter(one) for one in space)),
            "minimize",
            "hyperband",
            seed,
            mode=self.mode,
            searcher=self.searcher,
            brackets=self.brackets,
            max_resource=budget,
        )
        self.running: dict[int, Trial] = {}

    def report(self, number: int, epoch: int, loss: float) -> str:
        trial = self.running[number]
        self.tuner.report(trial, loss, epoch)
        verdict = self.tuner.should_stop(trial)
        if verdict.pause:
            self.tuner.tell(self.running.pop(number))
        return "pause" if verdict.pause else "stop" if verdict.stop else "go"


class CurvesPromotion(CurvesHyperband):
    mode = "promotion"


class CurvesSynchronous(CurvesHyperband):
    mode = "synchronous"


class CurvesStoppingBayesian(CurvesHyperband):
    searcher = "bayesian"


class CurvesPromotionBayesian(CurvesPromotion):
    searcher = "bayesian"


class CurvesSynchronousBayesian(CurvesSynchronous):
    searcher = "bayesian"
