"""What a child inherits: the parents' trials in its own space, and a reason for each one dropped."""

import dataclasses

from tests.tuning.test_warmstart_rules import PARENT
from tuning import Tuner
from tuning.history import History, Observation
from tuning.space import Categorical, Condition, Constraint, Float, Integer, SearchSpace
from tuning.states import Goal, TrialState
from tuning.warmstart import WarmStartType, inherit

SPACE = SearchSpace((Float("lr", 0.0, 1.0), Categorical("opt", ("sgd", "adam"))))
OUTLINE = dataclasses.replace(PARENT, name="first", space=SPACE, static={"layers": 18, "epochs": 30})


def trial(number, lr, opt="sgd", value=0.5, state=TrialState.COMPLETED, **more):
    return Observation(number, {"lr": lr, "opt": opt}, state, value, ((1, 0.5),), **more)


def test_trials_keep_number_value_state_and_curve_and_name_their_parent():
    """F1; and F28: the curve is what early stopping compares with."""
    history = History(Goal.MAXIMIZE, (trial(3, 0.1), trial(4, 0.2, state=TrialState.EARLY_STOPPED)))
    found = inherit(SPACE, [(OUTLINE, history)])
    assert found.dropped == ()
    assert found.observations[0] == dataclasses.replace(history.own[0], inherited_from="first")
    assert found.observations[1].state is TrialState.EARLY_STOPPED


def test_trials_without_a_result_are_dropped():
    history = History(
        Goal.MAXIMIZE,
        (
            trial(1, 0.1, value=None, state=TrialState.FAILED),
            trial(2, 0.1, value=0.9, state=TrialState.LOST),
            trial(3, 0.1, value=None, state=TrialState.STOPPED),
            trial(4, 0.1, value=float("nan")),
            trial(5, 0.1, value=None, state=TrialState.RUNNING),
            trial(6, 0.1, value=0.8, state=TrialState.PAUSED),
        ),
    )
    found = inherit(SPACE, [(OUTLINE, history)])
    assert found.observations == ()
    assert [(one.number, one.reason) for one in found.dropped] == [
        (1, "it is Failed without an objective value"),
        (2, "it is Lost"),
        (3, "it is Stopped without an objective value"),
        (4, "its objective value is nan"),
        (5, "it has not ended: Running"),
        (6, "it has not ended: Paused"),
    ]


def test_trials_outside_the_new_ranges_are_dropped_with_their_values():
    narrow = SearchSpace((Float("lr", 0.1, 0.3), Categorical("opt", ("sgd", "rms"))))
    history = History(Goal.MAXIMIZE, (trial(1, 0.2), trial(2, 0.5), trial(3, 0.9, "adam")))
    found = inherit(narrow, [(OUTLINE, history)])
    assert [one.number for one in found.observations] == [1]
    assert [one.reason for one in found.dropped] == [
        "lr is 0.5, outside 0.1 to 0.3",
        "lr is 0.9, outside 0.1 to 0.3; opt is 'adam', not one of 'sgd', 'rms'",
    ]


def test_a_static_value_becomes_a_coordinate_where_it_is_tunable_now():
    wider = SearchSpace((*SPACE.parameters, Integer("layers", 10, 50)))
    found = inherit(wider, [(OUTLINE, History(Goal.MAXIMIZE, (trial(1, 0.2),)))], static={"epochs": 30})
    assert found.observations[0].config == {"lr": 0.2, "opt": "sgd", "layers": 18}
    beyond = SearchSpace((*SPACE.parameters, Integer("layers", 20, 50)))
    found = inherit(beyond, [(OUTLINE, History(Goal.MAXIMIZE, (trial(1, 0.2),)))])
    assert found.dropped[0].reason == "layers is 18, outside 20 to 50"


def test_a_number_and_its_text_are_the_same_value():
    """F17, F24: the documents' example has its top_k as a text."""
    outline = dataclasses.replace(OUTLINE, static={"layers": 18, "top_k": "2", "epochs": "30"})
    tunable = (Categorical("layers", ("18", "34")), Integer("top_k", 1, 5))
    found = inherit(
        SearchSpace((*SPACE.parameters, *tunable)),
        [(outline, History(Goal.MAXIMIZE, (trial(1, 0.2),)))],
        static={"epochs": 30.0},
    )
    assert repr(found.observations[0].config) == "{'lr': 0.2, 'opt': 'sgd', 'layers': '18', 'top_k': 2}"


def test_what_is_static_now_must_have_had_that_value_if_values_are_to_be_comparable():
    smaller = SearchSpace((Float("lr", 0.0, 1.0),))
    static = {"opt": "adam", "layers": 18, "epochs": 30}
    history = History(Goal.MAXIMIZE, (trial(1, 0.1, "adam"), trial(2, 0.2, "sgd")))
    found = inherit(smaller, [(OUTLINE, history)], static=static)
    assert [one.config for one in found.observations] == [{"lr": 0.1}]
    assert found.dropped[0].reason == "opt was sgd and is static adam now"
    found = inherit(smaller, [(OUTLINE, history)], static={**static, "epochs": 60})
    assert found.dropped[0].reason == "epochs was 30 and is static 60 now"
    found = inherit(smaller, [(OUTLINE, history)], static=static, kind=WarmStartType.TRANSFER_LEARNING)
    assert (len(found.observations), found.dropped) == (2, ())


def test_a_hyperparameter_that_the_parent_lacks_is_a_reason():
    wider = SearchSpace((*SPACE.parameters, Float("new", 0.0, 1.0)))
    found = inherit(wider, [(OUTLINE, History(Goal.MAXIMIZE, (trial(1, 0.2),)))])
    assert found.dropped[0].reason == "new is missing"


def test_it_is_not_recursive():
    """F19: what a parent inherited is not passed on."""
    grandparents = (trial(1, 0.9, inherited_from="grandparent"),)
    history = History(Goal.MAXIMIZE, (trial(1, 0.2),), grandparents)
    found = inherit(SPACE, [(OUTLINE, history)])
    assert [(one.inherited_from, one.config["lr"]) for one in found.observations] == [("first", 0.2)]


def test_parents_are_taken_in_order():
    second = dataclasses.replace(OUTLINE, name="second")
    history = History(Goal.MAXIMIZE, (trial(1, 0.2), trial(2, 5.0)))
    found = inherit(SPACE, [(OUTLINE, history), (second, history)])
    assert [one.inherited_from for one in found.observations] == ["first", "second"]
    assert [(one.parent, one.number) for one in found.dropped] == [("first", 2), ("second", 2)]


def test_trials_are_mapped_into_conditions_and_constraints():
    """What is not active in the child is left out; what is active there and unknown drops the trial."""
    sgd_only = Condition("opt", ("sgd",))
    child = SearchSpace(
        (
            Categorical("opt", ("sgd", "adam")),
            Float("lr", 0.0, 1.0, when=sgd_only),
            Integer("warmup", 0, 5, when=Condition("opt", ("adam",))),
        ),
        (Constraint("lr < 0.5"),),
    )
    history = History(Goal.MAXIMIZE, (trial(1, 0.1), trial(2, 0.7), trial(3, 0.1, "adam")))
    found = inherit(child, [(OUTLINE, history)])
    assert [one.config for one in found.observations] == [{"opt": "sgd", "lr": 0.1}]
    assert [(one.number, one.reason) for one in found.dropped] == [
        (2, "it breaks the constraint lr < 0.5"),
        (3, "warmup is missing"),
    ]


CONDITIONAL = SearchSpace(
    (Categorical("opt", ("sgd", "adam")), Categorical("m", (0.1, 0.9), when=Condition("opt", ("adam",))))
)


def test_a_value_that_depended_on_what_is_not_active_here_is_of_another_function():
    """F6, F16: sgd with m = 0.9 and sgd alone are two points; by order alone they may still be told."""
    free = SearchSpace((Categorical("opt", ("sgd", "adam")), Categorical("m", (0.1, 0.9))))
    own = tuple(
        Observation(n, {"opt": opt, "m": m}, TrialState.COMPLETED, float(n))
        for n, (opt, m) in enumerate([("sgd", 0.1), ("sgd", 0.9), ("adam", 0.1), ("adam", 0.9)], start=1)
    )
    parent = [(dataclasses.replace(OUTLINE, space=free, static={}), History(Goal.MAXIMIZE, own))]
    found = inherit(CONDITIONAL, parent)
    assert [one.number for one in found.observations] == [3, 4]
    assert [one.reason for one in found.dropped] == [f"m was {m} and is not active here" for m in (0.1, 0.9)]
    transfer = inherit(CONDITIONAL, parent, kind=WarmStartType.TRANSFER_LEARNING)
    assert [one.number for one in transfer.observations] == [1, 2, 3, 4]
    static = [(dataclasses.replace(OUTLINE, space=SearchSpace(free.parameters[:1]), static={"m": 0.9}), parent[0][1])]
    sgd = History(Goal.MAXIMIZE, (Observation(1, {"opt": "sgd"}, TrialState.COMPLETED, 1.0),))
    assert inherit(CONDITIONAL, [(static[0][0], sgd)]).dropped[0].reason == "m was 0.9 and is not active here"


def test_what_is_static_here_and_was_not_active_there_is_of_another_function():
    """F6: every trial has it now, and that one ran without."""
    own = (
        Observation(1, {"opt": "sgd"}, TrialState.COMPLETED, 0.5),
        Observation(2, {"opt": "adam", "m": 0.9}, TrialState.COMPLETED, 0.6),
    )
    child, parent = SearchSpace(CONDITIONAL.parameters[:1]), dataclasses.replace(OUTLINE, space=CONDITIONAL, static={})
    found = inherit(child, [(parent, History(Goal.MAXIMIZE, own))], {"m": 0.9})
    assert [one.number for one in found.observations] == [2]
    assert [one.reason for one in found.dropped] == ["m was not active and is static 0.9 now"]
    transfer = WarmStartType.TRANSFER_LEARNING
    assert len(inherit(child, [(parent, History(Goal.MAXIMIZE, own))], {"m": 0.9}, transfer).observations) == 2


def test_a_point_that_no_parent_measured_is_run():
    """F42, F6: the grid's sgd is not one of the parent's two."""
    opt, m = {"name": "opt", "type": "categorical", "values": ["sgd", "adam"]}, {"name": "m", "type": "categorical"}
    parent = Tuner([opt, {**m, "values": [0.1, 0.9]}], strategy="grid")
    for trial in parent.ask(4):
        parent.tell(trial, 1.0)
    when = {"parameter": "opt", "in": ["adam"]}
    child = Tuner([opt, {**m, "values": [0.1, 0.9], "when": when}], strategy="grid", parents=[parent])
    assert [trial.config for trial in child.ask(9)] == [{"opt": "sgd"}]
