"""Fixed points to try first, under the contract of every strategy."""

import pytest

from tests.tuning.strategy_suite import CONDITIONAL, MIXED, SMALL, StrategySuite
from tuning import strategies
from tuning.errors import InvalidSpec
from tuning.history import History, Observation
from tuning.initial_points import InitialPoints, points_from_json
from tuning.space import SearchSpace
from tuning.states import Goal, TrialState

CENTRE = {"lr": 0.01, "momentum": 0.9, "units": 128, "layers": 3, "optimizer": "adam"}
POINTS = points_from_json(MIXED, [CENTRE, {**CENTRE, "lr": 0.1}])


class TestInitialPoints(StrategySuite):
    """Those points are of one space only; in the others of the suite there is none of them."""

    name = "tpe"

    def make(self):
        inner = strategies.create(self.name, self.options)

        class OfTheirSpace:
            def suggest(self, space, history, numbers, seed):
                return InitialPoints(POINTS if space == MIXED else (), inner).suggest(space, history, numbers, seed)

        return OfTheirSpace()

    def made_elsewhere(self) -> str:
        return "import tests.tuning.test_initial_points as here; strategy = here.TestInitialPoints().make()"

    def test_what_is_left_follows_from_the_history(self):
        first = self.suggest(MIXED, History(Goal.MAXIMIZE), [1])
        assert first[0].config == CENTRE and "1 of 2" in first[0].reason
        own = (Observation(1, CENTRE, TrialState.FAILED),)
        second, third = self.suggest(MIXED, History(Goal.MAXIMIZE, own), [2, 3])
        assert second.config["lr"] == 0.1 and "2 of 2" in second.reason
        assert not third.reason.startswith("Initial point") and third.config not in [dict(point) for point in POINTS]


def test_all_faults_of_points_are_named():
    with pytest.raises(InvalidSpec) as caught:
        points_from_json(SMALL, [{"a": 1, "b": "x"}, {"a": 7, "b": "x"}, 3, {"a": 1.0, "b": "x"}], "first")
    assert [(fault.field, fault.code) for fault in caught.value.faults] == [
        ("first[1]", "range"),
        ("first[2]", "type"),
        ("first[3]", "duplicate"),
    ]
    for bad in (3, [{}] * 1001):
        with pytest.raises(InvalidSpec):
            points_from_json(SMALL, bad)


def test_points_leave_out_what_is_not_active():
    rms = {"optimizer": "rms", "lr": 0.1}
    assert points_from_json(CONDITIONAL, [rms]) == (rms,)
    with pytest.raises(InvalidSpec, match="active only where optimizer is sgd"):
        points_from_json(CONDITIONAL, [{**rms, "momentum": 0.5}])


def test_points_are_given_in_the_form_in_which_the_space_would_suggest_them():
    """A script that reads a whole number by int() cannot read 2.0; JSON does not tell the two apart."""
    parameters = [
        {"name": "n", "type": "integer", "min": 1, "max": 9},
        {"name": "c", "type": "categorical", "values": [1, 2]},
        {"name": "q", "type": "quniform", "low": 0, "high": 9, "q": 2},
        {"name": "x", "type": "float", "min": 0, "max": 9},
    ]
    (point,) = points_from_json(SearchSpace.from_json(parameters), [{"n": 2.0, "c": 1.0, "q": 4.0, "x": 3}])
    assert repr(point) == "{'n': 2, 'c': 1, 'q': 4, 'x': 3.0}"
