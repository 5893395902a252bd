# ruff: noqa: PT018, ARG005  (as in the tests)
"""The contract of a strategy as tests: a strategy's own test class inherits StrategySuite and gives it ``make``.

Everything here must hold for any strategy. Whether it finds good points is for its own tests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import pytest

from tuning import strategies
from tuning.contracts import Strategy, Suggestion
from tuning.errors import InvalidSpec, SpaceExhausted
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Categorical, Condition, Config, Constraint, Expression, Float, Integer, SearchSpace
from tuning.states import Goal, TrialState
from tuning.testing import elsewhere

MIXED = SearchSpace(
    (
        Float("lr", 1e-5, 1.0, "log"),
        Float("momentum", 0.0, 0.99),
        Integer("units", 16, 512, "log"),
        Integer("layers", 1, 6),
        Categorical("optimizer", ("sgd", "adam", "rms")),
    )
)
SMALL = SearchSpace((Integer("a", 1, 3), Categorical("b", ("x", "y"))))
ONE_POINT = SearchSpace((Float("a", 0.5, 0.5), Integer("b", 2, 2), Categorical("c", ("only",))))
# sgd has a momentum, and only a large one a nesterov; adam a second beta; rms nothing of its own.
CONDITIONAL = SearchSpace(
    (
        Categorical("optimizer", ("sgd", "adam", "rms")),
        Float("lr", 1e-4, 1.0, "log"),
        Categorical("momentum", (0.0, 0.5, 0.9), ordered=True, when=Condition("optimizer", ("sgd",))),
        Categorical("nesterov", ("yes", "no"), when=Condition("momentum", (0.5, 0.9))),
        Float("beta-2", 0.9, 0.9999, "reverse-log", when=Condition("optimizer", ("adam",))),
    )
)
SMALL_CONDITIONAL = SearchSpace(
    (Categorical("a", ("x", "y")), Integer("b", 1, 3, when=Condition("a", ("x",))), Integer("c", 0, 8, step=4))
)  # (3 + 1) * 3 = 12 points
CONSTRAINED = SearchSpace(
    (
        Integer("warmup", 1, 100),
        Integer("epochs", 1, 100),
        Expression("batch", "quniform", 8, 64, 8),
        Expression("noise", "lognormal", -3.0, 1.0),
    ),
    (Constraint("warmup < epochs / 2"), Constraint("batch * epochs <= 3200")),
)
SMALL_CONSTRAINED = SearchSpace((Integer("a", 1, 4), Integer("b", 1, 4)), (Constraint("a < b"),))  # 6 points
WIDE = SearchSpace(tuple(Float(f"x{i}", -1e6, 1e6) for i in range(30)))

SPACES = {
    "mixed": MIXED,
    "small": SMALL,
    "one point": ONE_POINT,
    "conditional": CONDITIONAL,
    "small conditional": SMALL_CONDITIONAL,
    "constrained": CONSTRAINED,
    "small constrained": SMALL_CONSTRAINED,
    "wide": WIDE,
}


def bowl(config: Config) -> float:
    """Smooth, at most 0, best near lr = 0.01, 4 layers, adam."""
    loss = (math.log10(float(config["lr"])) + 2) ** 2 / 4 + (float(config["momentum"]) - 0.8) ** 2
    loss += (math.log2(float(config["units"])) - 7) ** 2 / 20 + (float(config["layers"]) - 4) ** 2 / 20
    return -loss - (0.0 if config["optimizer"] == "adam" else 0.3)


def observation(
    number: int, config: Config, value: float | None, state: TrialState = TrialState.COMPLETED
) -> Observation:
    return Observation(number, config, state, value)


class StrategySuite:
    name: str
    options: Mapping[str, object] = {}

    def make(self) -> Strategy:
        return strategies.create(self.name, self.options)

    def suggest(self, space: SearchSpace, history: History, numbers: list[int], seed: int = 0) -> list[Suggestion]:
        return self.make().suggest(space, history, numbers, seed)

    @pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
    def test_suggestions_are_points_of_the_space(self, space: SearchSpace) -> None:
        history = simulate(self.make(), space, lambda config: float(len(str(config))), trials=15, parallel=2)
        assert history.own
        for trial in history.own:
            assert space.problem_with(trial.config) is None
            assert list(trial.config) == [p.name for p in space.parameters if p.name in trial.config]
            assert json.loads(json.dumps(trial.config)) == trial.config

    def test_every_suggestion_says_why_with_numbers(self) -> None:
        reasons: list[Suggestion] = []
        simulate(
            self.make(), MIXED, bowl, trials=12, on_suggestion=lambda number, suggestion: reasons.append(suggestion)
        )
        assert len(reasons) == 12
        for suggestion in reasons:
            assert suggestion.reason and suggestion.numbers
            assert json.loads(json.dumps(suggestion.numbers, allow_nan=False)) == suggestion.numbers

    def test_no_point_is_suggested_twice_also_while_trials_run(self) -> None:
        for space in (MIXED, SMALL, CONDITIONAL, CONSTRAINED):
            history = simulate(self.make(), space, lambda config: 1.0, trials=25, parallel=4)
            keys = [space.key(trial.config) for trial in history.own]
            assert len(set(keys)) == len(keys)

    def test_points_of_trials_in_any_state_are_not_suggested_again(self) -> None:
        configs = [dict(config) for config in SMALL.grid(9)]
        states = [TrialState.COMPLETED, TrialState.FAILED, TrialState.RUNNING, TrialState.LOST, TrialState.STOPPED]
        own = tuple(
            observation(i + 1, config, 0.5 if state is TrialState.COMPLETED else None, state)
            for i, (config, state) in enumerate(zip(configs, states, strict=False))
        )
        (left,) = self.suggest(SMALL, History(Goal.MAXIMIZE, own), [6])
        assert left.config == configs[5]

    def test_points_that_parents_completed_are_not_run_again_where_values_are_comparable(self) -> None:
        """F2, F28: whatever else a strategy makes of parents, it knows what is known."""
        configs = [dict(config) for config in SMALL.grid(9)]
        parents = tuple(
            Observation(n, config, TrialState.COMPLETED, float(n), inherited_from="parent")
            for n, config in enumerate(configs[:5], start=1)
        )
        (left,) = self.suggest(SMALL, History(Goal.MAXIMIZE, (), parents), [1])
        assert left.config == configs[5]

    def test_several_numbers_give_that_many_different_points_in_order(self) -> None:
        history = simulate(self.make(), MIXED, bowl, trials=10)
        together = self.suggest(MIXED, history, [11, 12, 13])
        assert len({MIXED.key(one.config) for one in together}) == 3
        pending = history.own
        for number, expected in zip((11, 12, 13), together, strict=True):
            (one,) = self.suggest(MIXED, History(Goal.MAXIMIZE, pending), [number])
            assert one.config == expected.config
            pending = (*pending, observation(number, one.config, None, TrialState.RUNNING))

    def test_no_numbers_give_no_suggestions(self) -> None:
        assert self.suggest(MIXED, History(Goal.MAXIMIZE), []) == []

    def test_an_exhausted_space_ends_the_search_with_a_reason(self) -> None:
        history = simulate(self.make(), SMALL, lambda config: 1.0, trials=100, parallel=4)
        assert len(history.own) == 6
        with pytest.raises(SpaceExhausted) as caught:
            self.suggest(SMALL, history, [7])
        assert "6" in caught.value.reason

    @pytest.mark.parametrize(("space", "size"), [(SMALL_CONDITIONAL, 12), (SMALL_CONSTRAINED, 6)])
    def test_every_point_is_found_where_some_combinations_are_none(self, space: SearchSpace, size: int) -> None:
        history = simulate(self.make(), space, lambda config: float(len(str(config))), trials=100, parallel=2)
        assert len({space.key(trial.config) for trial in history.own}) == len(history.own) == size
        with pytest.raises(SpaceExhausted) as caught:
            self.suggest(space, history, [size + 1])
        assert str(size) in caught.value.reason

    def test_fewer_points_than_asked_for_are_all_given(self) -> None:
        assert len(self.suggest(SMALL, History(Goal.MAXIMIZE), list(range(1, 20)))) == 6
        assert len(self.suggest(ONE_POINT, History(Goal.MAXIMIZE), [1, 2])) == 1

    def test_failed_trials_and_trials_without_a_value_are_survived(self) -> None:
        def moody(config: Config) -> float | None:
            value = bowl(config)
            return math.nan if value < -0.6 else None if value < -0.5 else value

        history = simulate(self.make(), MIXED, moody, trials=20, parallel=2)
        assert len(history.own) == 20

    def test_a_search_in_which_everything_fails_goes_on(self) -> None:
        history = simulate(self.make(), MIXED, lambda config: None, trials=15, parallel=2)
        assert {trial.state for trial in history.own} == {TrialState.FAILED}
        assert len(history.own) == 15

    @pytest.mark.parametrize("values", [(1.0, 1.0), (1e308, -1e308), (1e-300, 0.0), (0.0, -0.0)])
    def test_extreme_and_equal_values_are_survived(self, values: tuple[float, float]) -> None:
        said: list[Suggestion] = []
        history = simulate(
            self.make(), MIXED, lambda config: values[len(str(config)) % 2], trials=14,
            on_suggestion=lambda number, suggestion: said.append(suggestion),
        )  # fmt: skip
        assert len(history.own) == 14
        json.dumps([one.numbers for one in said], allow_nan=False)

    def test_many_running_trials_and_no_result(self) -> None:
        history = simulate(self.make(), MIXED, bowl, trials=30, parallel=30)
        assert len(history.own) == 30

    def test_minimising_is_maximising_mirrored(self) -> None:
        up = simulate(self.make(), MIXED, bowl, trials=14, goal=Goal.MAXIMIZE, seed=5)
        down = simulate(self.make(), MIXED, lambda c: -bowl(c), trials=14, goal=Goal.MINIMIZE, seed=5)
        assert [trial.config for trial in up.own] == [trial.config for trial in down.own]

    def made_elsewhere(self) -> str:
        """The line by which another process makes the same strategy."""
        return f"strategy = strategies.create({self.name!r}, json.loads({json.dumps(self.options)!r}))"

    def test_the_same_seed_gives_the_same_trials_in_another_process(self) -> None:
        code = (
            "import json\n"
            "from tuning.testing.strategy_suite import MIXED, bowl\n"
            "from tuning import strategies\n"
            "from tuning.simulate import simulate\n"
            f"{self.made_elsewhere()}\n"
            "history = simulate(strategy, MIXED, bowl, trials=11, parallel=2, seed=3)\n"
            "print(json.dumps([trial.config for trial in history.own]))\n"
        )
        here = simulate(self.make(), MIXED, bowl, trials=11, parallel=2, seed=3)
        assert json.loads(elsewhere.printed(code)) == [trial.config for trial in here.own]

    def test_numbers_from_a_database_are_the_same_points(self) -> None:
        """A stored float may come back as an int, a number as a rounded one; the search must not stumble."""
        history = simulate(self.make(), MIXED, bowl, trials=9)
        rounded = [{**t.config, "momentum": round(float(t.config["momentum"]), 15)} for t in history.own]
        stored = tuple(
            observation(t.number, json.loads(json.dumps(config)), t.value)
            for t, config in zip(history.own, rounded, strict=True)
        )
        (one,) = self.suggest(MIXED, History(Goal.MAXIMIZE, stored), [10])
        assert MIXED.key(one.config) not in {MIXED.key(trial.config) for trial in stored}

    def test_inherited_trials_are_survived(self) -> None:
        parent = simulate(strategies.create("random", {}), MIXED, bowl, trials=20, seed=9)
        inherited = tuple(
            Observation(t.number, t.config, t.state, t.value, t.curve, inherited_from="parent") for t in parent.own
        )
        said: list[Suggestion] = []
        for comparable in (True, False):
            history = simulate(
                self.make(), MIXED, bowl, trials=8, inherited=inherited, comparable=comparable,
                on_suggestion=lambda number, suggestion: said.append(suggestion),
            )  # fmt: skip
            assert len(history.own) == 8
        assert not [one for one in said if any(isinstance(number, bool) for number in one.numbers.values())]

    def test_inherited_trials_of_other_branches_are_survived(self) -> None:
        parent = simulate(
            strategies.create("random", {}), CONDITIONAL, lambda config: float(config["lr"]), trials=20, seed=9
        )
        inherited = tuple(
            Observation(t.number, t.config, t.state, t.value, t.curve, inherited_from="parent") for t in parent.own
        )
        for comparable in (True, False):
            history = simulate(
                self.make(), CONDITIONAL, lambda c: float(c["lr"]), trials=8, inherited=inherited, comparable=comparable
            )
            assert all(CONDITIONAL.problem_with(trial.config) is None for trial in history.own)

    def test_unknown_and_bad_options_are_refused_all_at_once(self) -> None:
        bad = {
            option.name: object()
            for info in strategies.catalogue()
            if info.name == self.name
            for option in info.options
        }
        with pytest.raises(InvalidSpec) as caught:
            strategies.create(self.name, {**bad, "nonsense": 1}, field="job.strategy")
        assert {fault.field for fault in caught.value.faults} == {
            f"job.strategy.options.{name}" for name in (*bad, "nonsense")
        }

    def test_it_is_in_the_catalogue_with_working_defaults(self) -> None:
        (info,) = [info for info in strategies.catalogue() if info.name == self.name]
        assert info.title and info.summary
        strategies.create(self.name, {option.name: option.default for option in info.options})
        assert all(option.help for option in info.options)
