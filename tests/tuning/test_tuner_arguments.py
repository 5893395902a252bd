"""The door of a Tuner: numbers of whatever library, parents that are held to the rules, and every fault at once."""

import copy

import numpy as np
import pytest

from tests.tuning.strategy_suite import SMALL
from tuning import Tuner
from tuning.contracts import Suggestion, Verdict
from tuning.errors import InvalidSpec
from tuning.history import Observation
from tuning.states import TrialState

FLOAT = {"name": "x", "type": "float", "min": 0, "max": 1}
BAD = {"name": "x", "type": "float", "min": 2, "max": 1}


def searched(*space, trials=2, **arguments):
    tuner = Tuner(list(space), strategy="random", **arguments)
    for trial in tuner.ask(trials):
        tuner.tell(trial, float(trial.number))
    return tuner


def faults(*arguments, **named):
    with pytest.raises(InvalidSpec) as caught:
        Tuner(*arguments, **named)
    return {fault.field: fault.message for fault in caught.value.faults}


# --- numbers and ranges of whatever kind ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"type": "integer", "min": np.int64(1), "max": np.uint8(9)}, {"type": "integer", "min": 1, "max": 9}),
        ({"type": "float", "min": np.float32(0.5), "max": np.array(2.0)}, {"type": "float", "min": 0.5, "max": 2}),
        ({"type": "categorical", "values": np.arange(3)}, {"type": "categorical", "values": [0, 1, 2]}),
        ({"type": "categorical", "values": np.array(["a", "b"])}, {"type": "categorical", "values": ["a", "b"]}),
        ({"type": "categorical", "values": (np.float64(0.1), 2)}, {"type": "categorical", "values": [0.1, 2]}),
        ({"type": "choice", "values": range(1, 5)}, {"type": "choice", "values": [1, 2, 3, 4]}),
        ({"type": "choice", "range": range(1, 9, 2)}, {"type": "choice", "range": [1, 9, 2]}),
        ({"type": "randint", "upper": np.int32(4)}, {"type": "randint", "upper": 4}),
    ],
)
def test_a_space_may_be_told_in_the_numbers_that_are_at_hand(given, meant):
    """F34: a range object, too."""
    tuner, plain = (Tuner([{"name": "x", **one}]) for one in (given, meant))
    assert repr(tuner.space.to_json()) == repr(plain.space.to_json())
    assert tuner.ask()[0].config == plain.ask()[0].config


def test_points_options_and_rules_may_be_so_too():
    tuner = Tuner(
        [FLOAT], "maximize", "bayesian", np.int64(3), initial_points=[{"x": np.float32(0.5)}], repeats=np.int8(2),
        static={"epochs": np.int64(5)}, completion={"target": np.float32(0.5)}, max_trials=np.int64(9),
        early_stopping={"name": "bandit", "slack_factor": np.float64(0.1)}, n_initial_points=np.int64(4),
    )  # fmt: skip
    (trial,) = tuner.ask()
    assert repr(trial.arguments) == "{'epochs': 5, 'x': 0.5}" and tuner.seed == 3


def test_inherited_points_may_come_from_a_table():
    row = Observation(1, {"n": np.int64(3)}, TrialState.COMPLETED, 1.0)
    tuner = Tuner([{"name": "n", "type": "integer", "min": 1, "max": 9}], inherited=[row])
    assert repr(tuner.history.inherited[0].config) == "{'n': 3}" and tuner.dropped == ()


@pytest.mark.parametrize(
    ("space", "field"),
    [
        ([{"name": "x", "type": "choice", "values": range(10**30)}], "space[0].values"),
        ([{"name": "x", "type": "choice", "range": range(10**30)}], "space[0].range"),
        ([{**FLOAT, "max": np.bool_(True)}], "space[0].max"),
        ([{**FLOAT, "max": np.array([1, 2])}], "space[0].max"),
        (np.float64(3), "space"),
    ],
)
def test_what_is_no_number_still_is_none(space, field):
    assert faults(space).keys() == {field}


# --- parents ----------------------------------------------------------------------------------------------------------


def test_a_search_has_five_parents_at_most():
    """F13, in the words that a job has for it."""
    parents = [searched(FLOAT, seed=seed) for seed in range(6)]
    assert faults([FLOAT], parents=parents) == {"parents": "F13 Number of parents: 6 parents; choose at most 5"}
    assert len(Tuner([FLOAT], parents=parents[:5]).history.inherited) == 10


def test_a_parent_counts_once():
    parent = searched(FLOAT)
    for other in (parent, parent.history, copy.deepcopy(parent)):
        said = faults([FLOAT], parents=[parent, other])["parents"]
        assert said == "F13 Number of parents: parent 1 named more than once; name each parent once"
    assert "old named more than once" in faults([FLOAT], parents={"old": parent, "new": parent})["parents"]
    assert Tuner([FLOAT], parents=[searched(FLOAT, trials=0), searched(FLOAT, trials=0)]).dropped == ()


def test_a_hyperparameter_keeps_its_type():
    """F17; of a history the types are not known, and each trial that does not fit is dropped for itself."""
    parent = searched({"name": "n", "type": "float", "min": 1, "max": 9})
    child = [{"name": "n", "type": "integer", "min": 1, "max": 9}]
    said = faults(child, parents=[searched(*child), parent])
    assert said == {
        "parents[1]": "F17 Same hyperparameter types: n was float and is integer now; keep the parent's types"
    }
    assert faults(child, parents={"old": parent}).keys() == {"parents.old"}
    assert [one.number for one in Tuner(child, parents=[parent.history]).dropped] == [1, 2]
    said = faults(child, static={"x": 1}, parents=[searched(FLOAT, static={"n": 1.5})])
    assert said["parents[0]"].startswith("F17")


def test_a_tuner_must_have_had_the_same_hyperparameters():
    """F16, by both types of warm start: what a script fixes is a static of the search."""
    kind = {"name": "k", "type": "choice", "values": ["a", "b", "c"]}
    parent = searched(FLOAT, kind, trials=9)
    for more in ({}, {"warm_start": "transfer"}, {"profile": "sagemaker"}):
        said = faults([FLOAT], parents={"old": parent}, **more)
        assert said["parents.old"].startswith("F16 Same hyperparameter names: missing here: k;")
        assert (
            "not in the parent: epochs"
            in faults([FLOAT, kind], parents=[parent], static={"epochs": 3}, **more)["parents[0]"]
        )
    child = Tuner([FLOAT], parents=[parent], static={"k": "c"})
    same = [trial.number for trial in parent.trials if trial.config["k"] == "c"]
    assert same and [trial.number for trial in child.history.inherited] == same


def test_of_a_history_each_trial_with_an_unknown_hyperparameter_is_dropped():
    kind = {"name": "k", "type": "choice", "values": ["a", "b", "c"]}
    parent = searched(FLOAT, kind)
    for arguments in ({"parents": [parent.history]}, {"inherited": parent.trials}):
        for more in ({}, {"warm_start": "transfer"}):
            child = Tuner([FLOAT], **arguments, **more)
            assert child.history.inherited == () and [one.number for one in child.dropped] == [1, 2]
            assert child.dropped[0].reason.startswith("k is no hyperparameter here; search it, or ")
    fixed = Tuner([FLOAT], parents=[parent.history], static={"k": parent.trials[0].config["k"]})
    assert fixed.history.inherited[0].number == 1


def test_parents_may_come_one_by_one():
    parents = [searched(FLOAT, seed=seed) for seed in range(2)]
    for given in (iter(parents), tuple(parents), {"a": parents[0], "b": parents[1]}):
        child = Tuner([FLOAT], parents=given)
        assert (len(child.history.inherited), child.max_trials) == (4, 496)


def test_what_became_static_is_counted():
    """F18: six ranges made static are 12 changes."""
    parent = searched(*({**FLOAT, "name": f"x{n}"} for n in range(7)))
    static = {f"x{n}": 0.5 for n in range(1, 7)}
    said = faults([{**FLOAT, "name": "x0"}], parents=[parent], static=static)["parents[0]"]
    assert said.startswith("F18 Number of changes: ") and said.endswith(
        "= 12 changes, above 10; keep more of the parent's values"
    )


def test_parents_trials_count_with_the_searchs_own():
    """F20: 300 and 150 leave 50 of 500; who does not say how many trials there are to be gets those."""
    many, fewer = searched(FLOAT, trials=300), searched(FLOAT, trials=150, seed=1)
    assert Tuner([FLOAT], parents=[many, fewer.history]).max_trials == 50
    assert Tuner([FLOAT], parents=[many, fewer], max_trials=50, profile="sagemaker").max_trials == 50
    assert Tuner([FLOAT], parents=[many], profile="sagemaker").max_trials == 200
    said = faults([FLOAT], parents=[many, fewer], max_trials=51)["parents"]
    assert said.startswith("F20 ") and "300 + 150 + 51 = 501" in said and said.endswith("to at most 50")
    assert "choose fewer parents" in faults([FLOAT], parents=[many, searched(FLOAT, trials=200, seed=2)])["parents"]
    free = Tuner([FLOAT], inherited=[*many.trials, *fewer.trials], max_trials=400)
    assert len(free.history.inherited) == 450 and Tuner([FLOAT]).max_trials is None


@pytest.mark.parametrize("strategy", ["sobol", "grid"])
def test_parents_of_other_data_need_a_strategy_that_learns_from_them(strategy):
    """F2: where nothing is left of them, they are refused."""
    parent = searched({**FLOAT, "step": 0.25})
    for one in (parent, parent.history):
        said = faults(parent.space, strategy=strategy, parents=[one], warm_start="transfer")["parents"]
        assert said.startswith(f"F2 Strategy: {strategy} search has no use for parents of other data; choose auto")
        assert Tuner(parent.space, strategy=strategy, parents=[one]).history.inherited


# --- every fault at once ----------------------------------------------------------------------------------------------


def test_every_fault_of_the_arguments_is_told_at_once():
    with pytest.raises(InvalidSpec) as caught:
        Tuner(SMALL, "most", "guess", -1, repeats="x", max_trials=-3, completion={"targte": 1}, static={"a": 1})
    fields = {"objective", "strategy.name", "seed", "repeats", "max_trials", "completion.targte", "static.a"}
    assert {fault.field for fault in caught.value.faults} == fields


def test_faults_are_named_by_argument():
    for arguments, field in [
        ({"objective": "largest"}, "objective"),
        ({"strategy": "guess"}, "strategy.name"),
        ({"kind": "best"}, "strategy.options.kind"),
        ({"early_stopping": "never"}, "early_stopping.name"),
        ({"initial_points": [{"a": 9}]}, "initial_points[0]"),
        ({"initial_points": 3}, "initial_points"),
        ({"strategy": 3}, "strategy"),
        ({"early_stopping": 3}, "early_stopping"),
        ({"warm_start": "both"}, "warm_start"),
        ({"parents": Tuner(SMALL)}, "parents"),
        ({"parents": [Tuner(SMALL, "minimize")]}, "parents[0]"),
        ({"parents": [3]}, "parents[0]"),
        ({"inherited": [{"a": 1}]}, "inherited[0]"),
        ({"completion": {"max_gpu_hours": 1}}, "completion.max_gpu_hours"),
    ]:
        with pytest.raises(InvalidSpec) as caught:
            Tuner(SMALL, **arguments)
        assert [fault.field for fault in caught.value.faults] == [field]


def test_what_names_a_static_says_what_to_do():
    """As in a job's document."""
    hanging = {**FLOAT, "name": "y", "when": {"parameter": "n", "in": [1]}}
    said = faults([FLOAT, hanging], static={"n": 1})
    assert said == {"space[1].when.parameter": "is 'n', which is static; leave the condition out, or search n"}
    said = faults({"parameters": [FLOAT], "constraints": ["x < n"]}, static={"n": 1})
    assert said == {"space.constraints[0]": "names what is static (n is 1); write the value instead, or search it"}


def test_an_objective_that_is_missing_is_one_of_two():
    assert faults([FLOAT], None) == {"objective": "is missing; choose one of maximize, minimize"}


def test_a_strategy_of_ones_own_may_suggest_numpys_numbers():
    class Numpy:
        def suggest(self, space, history, numbers, seed):
            return [Suggestion({"n": np.int64(n)}, "In order.", {"place": np.int64(n)}) for n in numbers]

    (trial,) = Tuner([{"name": "n", "type": "integer", "min": 1, "max": 9}], strategy=Numpy()).ask()
    assert repr((trial.config, trial.numbers)) == "({'n': 1}, {'place': 1})"


def test_a_faulty_space_hides_no_other_fault():
    parent = searched(FLOAT)
    said = faults([BAD], parents=[parent, 3], inherited=[4], initial_points=[{"x": 0.5}, 5])
    assert said.keys() == {"space[0].min", "parents[1]", "inherited[0]", "initial_points[1]"}
    assert faults([BAD], parents=[parent, parent]).keys() == {"space[0].min", "parents"}
    assert faults([FLOAT], "most", warm_start="some", parents=[3]).keys() == {"objective", "warm_start", "parents[0]"}


def test_a_policy_without_a_name_is_told_so():
    said = faults([FLOAT], early_stopping={"slack_factor": 0.1})
    assert said["early_stopping.name"].startswith("is missing; choose one of median, bandit")


def test_a_policys_options_stand_beside_its_name_or_as_in_a_jobs_document():
    options = {"evaluation_interval": 2, "delay_evaluation": 5}
    for choice in ({"name": "median", **options}, {"name": "median", "options": options}):
        tuner = Tuner([FLOAT], early_stopping=choice)
        (trial,) = tuner.ask()
        tuner.report(trial, 0.5)
        assert tuner.should_stop(trial).reason == "Not judged at report 1: next at report 6."
    wrong = "is -1; give a whole number from 0 to 1e+06"
    assert faults([FLOAT], early_stopping={"name": "median", "delay_evaluation": -1}) == {
        "early_stopping.delay_evaluation": wrong
    }
    assert faults([FLOAT], early_stopping={"name": "median", "options": {"delay_evaluation": -1}}) == {
        "early_stopping.options.delay_evaluation": wrong
    }


def test_unknown_members_are_told_in_the_order_in_which_they_were_given():
    names = ["z", "y", "x", "a", "b", "c"]
    extra = dict.fromkeys(names, 1)
    assert list(faults([FLOAT], completion=extra)) == [f"completion.{name}" for name in names]
    assert list(faults([FLOAT], strategy="tpe", **extra)) == [f"strategy.options.{name}" for name in names]
    assert list(faults({"parameters": [FLOAT], **extra})) == [f"space.{name}" for name in names]
    condition = {"parameter": "x", "in": [1], **{f"{name}0": 1 for name in names}}
    said = faults([{"name": "x", "type": "randint", "upper": 2}, {**FLOAT, "name": "w", "when": condition}])
    assert list(said) == [f"space[1].when.{name}0" for name in names]


# --- what was meant ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["uniform", "loguniform"])
def test_the_ends_of_an_expression_are_told_as_they_were_written(form):
    """F36: not as the values that they stand for, nor by the names that a float has."""
    said = faults([{"name": "x", "type": form, "low": 10, "high": 1}])
    assert said == {"space[0].low": "is 10, above high 1; give a low that is at most high"}
    assert faults([{"name": "", "type": form, "low": 10, "high": 1}]).keys() == {"space[0].low", "space[0].name"}
    assert Tuner([{"name": "x", "type": form, "low": 1, "high": 1}]).space.size == 1


@pytest.mark.parametrize(
    ("arguments", "field", "says"),
    [
        (
            {"max_trial": 5},
            "strategy.options.max_trial",
            "no option of auto (did you mean max_trials?); the arguments are",
        ),
        ({"strategy": "tpe", "gama": 0.5}, "strategy.options.gama", "(did you mean gamma?); the arguments are space, "),
        ({"constraints": ["x < 1"]}, "strategy.options.constraints", '{"parameters": [...], "constraints": [...]}'),
        ({"num_samples": 20}, "strategy.options.num_samples", "is max_trials; set that"),  # F48
        ({"completion": {"max_started": 3}}, "completion.max_started", "is the search's max_trials"),  # F78
        ({"completion": {"convergd": 3}}, "completion.convergd", "(did you mean converged?)"),
        ({"completion": {"tolerance": 0.01}}, "completion.tolerance", "give converged, the number of trials to look"),
    ],
)
def test_a_name_that_is_none_leads_to_the_one_that_was_meant(arguments, field, says):
    said = faults([FLOAT], **arguments)
    assert said.keys() == {field} and says in said[field]


def test_a_tolerance_beside_a_rule_that_is_off_stays():
    for rules in ({"tolerance": None}, {"tolerance": 0.1, "converged": 5}, {"tolerance": 0.1, "converged": None}):
        Tuner([FLOAT], completion=rules)


class Policy:
    def __init__(self, verdict):
        self.verdict = verdict

    def judge(self, number, history):
        return self.verdict()


def test_a_policy_of_ones_own_that_breaks_stops_nothing_and_the_verdict_says_why():
    for verdict, why in [
        (lambda: True, "its verdict is none"),
        (lambda: {}["x"], "KeyError"),
        (lambda: Verdict(True, "Later.", pause=True), "only a scheduler can pause"),
    ]:
        tuner = Tuner([FLOAT], early_stopping=Policy(verdict))
        (trial,) = tuner.ask()
        tuner.report(trial, 1.0)
        found = tuner.should_stop(trial)
        assert not found.stop and "the policy Policy of" in found.reason and why in found.reason
        assert tuner.tell(trial).state is TrialState.COMPLETED
    tuner = Tuner([FLOAT], early_stopping=Policy(lambda: Verdict(True, "Enough.")))
    (trial,) = tuner.ask()
    tuner.report(trial, 1.0)
    assert tuner.should_stop(trial) == Verdict(True, "Enough.")


@pytest.mark.parametrize("policy", [Policy, object()])
def test_what_cannot_judge_is_no_policy(policy):
    assert "an object that has `judge`" in faults([FLOAT], early_stopping=policy)["early_stopping"]
