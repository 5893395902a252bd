"""The warm-start rules F2 and F5 to F21, each met and broken, with their numbers."""

import dataclasses

import pytest

from tuning import strategies
from tuning.space import Categorical, Float, Integer, SearchSpace
from tuning.states import Goal, JobState
from tuning.warmstart import JobOutline, WarmStartLimits, WarmStartType, check

IDENTICAL, TRANSFER = WarmStartType.IDENTICAL_DATA_AND_ALGORITHM, WarmStartType.TRANSFER_LEARNING

# F24, the example of the documents
SPACE = SearchSpace((Float("learning_rate", 0.0, 0.1), Float("momentum", 0.0, 0.99)))
STATIC = {
    "num_layers": 18, "image_shape": "3,224,224", "num_classes": 257, "num_training_samples": 15420,
    "mini_batch_size": 128, "epochs": 30, "optimizer": "sgd", "top_k": "2", "precision_dtype": "float32",
    "augmentation_type": "crop",
}  # fmt: skip
PARENT = JobOutline(
    name="parent",
    state=JobState.COMPLETED,
    metric="accuracy",
    goal=Goal.MAXIMIZE,
    space=SPACE,
    static=STATIC,
    algorithm="sha256:1",
    data={"train": "sha256:a", "validation": "sha256:b"},
    trials=50,
    strategy="random",
    schema=1,
)
CHILD = dataclasses.replace(PARENT, name="child", state=JobState.PENDING, trials=0, strategy="bayesian")


def parent(**changes):
    return dataclasses.replace(PARENT, **changes)


def child(**changes):
    return dataclasses.replace(CHILD, **changes)


def checks(child_job=CHILD, parents=(PARENT,), kind=IDENTICAL, max_trials=50, **limits):
    return check(child_job, parents, kind, max_trials, WarmStartLimits(**limits) if limits else None)


def one(rule, *arguments, **more):
    (found,) = [found for found in checks(*arguments, **more) if found.rule == rule]
    return found


def refused(*arguments, **more):
    return [found.rule for found in checks(*arguments, **more) if found.refuses]


ALL = ["F2", *(f"F{n}" for n in range(5, 22))]


@pytest.mark.parametrize("kind", [IDENTICAL, TRANSFER])
def test_the_documents_example_meets_every_rule(kind):
    assert [found.rule for found in checks(kind=kind)] == ALL
    assert all(found.ok for found in checks(kind=kind))
    assert all(found.title and found.detail for found in checks(kind=kind))


def test_every_rule_is_reported_when_all_are_broken():
    broken = parent(
        state=JobState.RUNNING, metric="loss", algorithm="sha256:2", data={"train": "x"}, schema=0, trials=490,
        space=SearchSpace((Integer("learning_rate", 0, 5),)), static={f"s{i}": i for i in range(20)},
    )  # fmt: skip
    found = checks(child(strategy="grid"), [broken] * 6)
    assert {one.rule for one in found} == set(ALL)
    assert {one.rule for one in found if one.refuses} == {
        "F6", "F8", "F9", "F13", "F14", "F15", "F16", "F17", "F20", "F21",
    }  # fmt: skip


def test_rules_on_single_parents_are_reported_for_each():
    found = checks(parents=[parent(name="a"), parent(name="b", state=JobState.RUNNING)])
    assert [(one.parent, one.ok) for one in found if one.rule == "F14"] == [("a", True), ("b", False)]
    assert [one.parent for one in found if one.rule == "F13"] == [None]


def test_before_a_parent_is_chosen_only_their_number_is_wrong():
    assert refused(parents=[]) == ["F13"]
    assert [found.rule for found in checks(parents=[])] == ALL
    assert one("F14", parents=[]).detail == "no parent chosen yet"


@pytest.mark.parametrize("strategy", [info.name for info in strategies.catalogue()])
def test_f2_f28_every_strategy_says_what_it_makes_of_parents(strategy):
    """C4, C17: the known points and the curves are of use to every strategy by IDENTICAL."""
    found = one("F2", child(strategy=strategy))
    assert found.ok and found.detail.startswith(f"{strategy} search: ")
    assert "points that parents completed are not run again" in found.detail and "curves" in found.detail


@pytest.mark.parametrize("strategy", ["bayesian", "tpe", "anneal", "random", "hyperband"])
def test_f2_strategies_that_learn_from_parents_of_other_data(strategy):
    found = one("F2", child(strategy=strategy), kind=TRANSFER)
    assert found.ok and "each parent" in found.detail


@pytest.mark.parametrize("strategy", ["grid", "sobol"])
def test_f2_strategies_that_have_no_use_for_parents_of_other_data(strategy):
    found = one("F2", child(strategy=strategy), kind=TRANSFER)
    assert refused(child(strategy=strategy), kind=TRANSFER) == ["F2"]
    assert found.detail == (
        f"{strategy} search has no use for parents of other data; choose auto, bayesian, tpe, anneal, random, "
        "hyperband or type IDENTICAL_DATA_AND_ALGORITHM, or start without parents"
    )


def test_f2_a_strategy_of_another_package_is_given_the_parents():
    assert one("F2", child(strategy="theirs")).ok and one("F2", child(strategy="theirs"), kind=TRANSFER).ok


@pytest.mark.parametrize("strategy", ["bayesian", "random", "grid"])
def test_f25_parents_may_have_any_strategy(strategy):
    assert refused(parents=[parent(strategy=strategy)]) == []


def test_f4_the_reasons_to_start_from_earlier_jobs_are_all_allowed():
    """More trials step by step; new data; other ranges, static and tunable swapped; a job that ended too early."""
    assert refused(parents=[parent(trials=10), parent(name="second", trials=20)]) == []
    assert refused(child(data={"train": "sha256:new", "validation": "sha256:b"}), kind=TRANSFER) == []
    narrower = SearchSpace((Float("learning_rate", 0.01, 0.02), Categorical("optimizer", ("sgd", "adam"))))
    static = {name: value for name, value in STATIC.items() if name != "optimizer"} | {"momentum": 0.9}
    assert refused(child(space=narrower, static=static)) == []
    for state in (JobState.STOPPED, JobState.FAILED):
        assert refused(parents=[parent(state=state)]) == []


def test_f5_says_what_the_type_means():
    assert "used as they are" in one("F5").detail
    assert "order" in one("F5", kind=TRANSFER).detail


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"train": "sha256:a", "validation": "sha256:NEW"}, "validation"),
        ({"train": "sha256:a"}, "validation"),
        ({"train": "sha256:a", "validation": "sha256:b", "test": "sha256:c"}, "test"),
    ],
)
def test_f6_identical_needs_the_same_data(data, named):
    assert refused(child(data=data)) == ["F6"]
    assert named in one("F6", child(data=data)).detail
    assert refused(child(data=data), kind=TRANSFER) == []


def test_f7_ranges_may_change():
    other = child(space=SearchSpace((Float("learning_rate", 0.01, 0.2, "log"), Float("momentum", 0.0, 0.99))))
    found = one("F7", other)
    assert found.ok and found.detail == "1 other ranges, as allowed: learning_rate 0..0.1 to 0.01..0.2 log"
    assert refused(other) == []
    assert refused(other, max_trials=450) == []


MOVED = child(
    space=SearchSpace((Float("learning_rate", 0.0, 0.1), Integer("num_layers", 10, 50))),
    static={**{name: value for name, value in STATIC.items() if name != "num_layers"}, "momentum": 0.9},
)


def test_f8_tunable_and_static_may_swap_with_the_same_total():
    found = one("F8", MOVED)
    assert found.ok and (found.numbers["child"], found.numbers["parent"]) == (12, 12)
    assert "momentum is static now; num_layers is tunable now" in found.detail
    assert refused(MOVED) == []


def test_f8_another_total_is_refused():
    fewer = child(static={name: value for name, value in STATIC.items() if name != "top_k"})
    assert refused(fewer) == ["F8", "F16"]
    assert "2 tunable + 9 static = 11; the parent has 2 tunable + 10 static = 12" in one("F8", fewer).detail


def test_f9_identical_needs_the_same_algorithm_or_an_equivalent_one():
    """Versions that the owner marked as equivalent share an identity."""
    other = child(algorithm="sha256:2")
    assert refused(other) == ["F9"]
    assert refused(other, kind=TRANSFER) == []
    assert refused(child(algorithm="sha256:1")) == []


def test_f10_tells_about_the_overall_best():
    assert "all the parents'" in one("F10").detail
    assert "no overall best" in one("F10", kind=TRANSFER).detail


def test_f11_lists_what_differs():
    found = one("F11", dataclasses.replace(MOVED, algorithm="x", data={"train": "y"}), kind=TRANSFER)
    assert found.ok and found.detail == "may differ, and do: data, algorithm version, what is tunable"
    assert "none" in one("F11", kind=TRANSFER).detail


def test_f12_warns_without_refusing():
    found = one("F12", child(algorithm="sha256:2", data={"train": "x"}), kind=TRANSFER)
    assert (found.ok, found.severity, found.refuses) == (False, "warning", False)
    assert found.detail.startswith("the data of channel train and the data of channel validation and the algorithm")
    assert one("F12", kind=TRANSFER).ok and one("F12").ok


@pytest.mark.parametrize(("count", "ok"), [(1, True), (5, True), (6, False), (20, False)])
def test_f13_at_most_five_parents(count, ok):
    """F13, F27: five previous jobs."""
    found = one("F13", parents=[parent(name=f"p{i}", trials=10) for i in range(count)])
    assert found.ok is ok
    assert found.detail.startswith(f"{count} ") and found.numbers == {"parents": count, "limit": 5}


def test_f13_each_parent_once():
    assert not one("F13", parents=[PARENT, PARENT]).ok


@pytest.mark.parametrize("state", list(JobState))
def test_f14_parents_must_have_ended(state):
    expected = state in (JobState.COMPLETED, JobState.STOPPED, JobState.FAILED)
    found = one("F14", parents=[parent(state=state)])
    assert found.ok is expected and str(state) in found.detail


def test_f15_the_same_metric_and_direction():
    assert refused(child(metric="loss")) == ["F15"]
    assert refused(child(goal=Goal.MINIMIZE)) == ["F15"]
    assert "minimize accuracy" in one("F15", child(goal=Goal.MINIMIZE)).detail


def test_f16_the_set_of_names_counts_not_only_its_size():
    """C14: the same total with another name is refused, and the names are told."""
    static = {**{name: value for name, value in STATIC.items() if name != "top_k"}, "top-k": "2"}
    found = one("F16", child(static=static))
    assert refused(child(static=static)) == ["F16"]
    assert "missing here: top_k; not in the parent: top-k" in found.detail
    assert found.numbers == {"same": 11, "missing": 1, "extra": 1}


LR = Float("lr", 0.0, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (LR, Integer("lr", 0, 1), "lr was float and is integer now"),
        (LR, Categorical("lr", ("a",)), "lr was float and is categorical now"),
        (Integer("lr", 0, 1), LR, "lr was integer and is float now"),
        (LR, Float("lr", 0.5, 9.0, "log"), None),
        (LR, 0.5, None),
        (LR, 1, None),
        (LR, "0.5", None),  # the same to the script
        (LR, "half", "lr was float and is static 'half' now"),
        ("2", Integer("lr", 1, 5), None),  # top_k of F24
        ("2.5", Integer("lr", 1, 5), "lr was static '2.5' and is integer now"),
        (18, Categorical("lr", ("18", "34")), None),
        (Integer("lr", 0, 9), 3, None),
        (Integer("lr", 0, 9), 3.0, None),
        (Integer("lr", 0, 9), 3.5, "lr was integer and is static 3.5 now"),
        (Categorical("lr", ("a", "b")), "c", None),
        (0.5, LR, None),
        ("sgd", LR, "lr was static 'sgd' and is float now"),
        ("sgd", Categorical("lr", ("sgd", "adam")), None),
        ("sgd", "adam", None),
    ],
)
def test_f17_types_must_not_change(old, new, changed):
    def job(base, value):
        other = Float("other", 0.0, 1.0)
        if isinstance(value, (Float, Integer, Categorical)):
            return dataclasses.replace(base, space=SearchSpace((other, value)), static={})
        return dataclasses.replace(base, space=SearchSpace((other,)), static={"lr": value})

    found = one("F17", job(CHILD, new), [job(PARENT, old)])
    assert found.ok is (changed is None)
    if changed:
        assert changed in found.detail


RED_OR_BLUE = Categorical("colour", ("red", "blue"))


@pytest.mark.parametrize(
    ("tunable", "static", "new", "count"),
    [
        ({"colour": RED_OR_BLUE}, {}, {"colour": "red"}, 2),  # the first example of the documents
        ({}, {"colour": "red"}, {"colour": "blue"}, 2),  # the second
        ({}, {"colour": "red"}, {"colour": "red"}, 0),
        ({}, {"layers": 18}, {"layers": "18"}, 0),  # the same to the script
        ({}, {"layers": 18}, {"layers": 18.0}, 0),
        ({"colour": Categorical("colour", ("r", "g", "b"))}, {}, {"colour": "r"}, 3),
        ({"colour": RED_OR_BLUE}, {}, {"colour": "green"}, 3),
        ({"layers": Categorical("layers", ("18", "34"))}, {}, {"layers": 18}, 2),
        ({"lr": Float("lr", 0.0, 1.0)}, {}, {"lr": 0.5}, 2),
        ({"lr": Float("lr", 1.0, 1.0)}, {}, {"lr": 1.0}, 1),
    ],
)
def test_f18_counts_the_distinct_values_involved(tunable, static, new, count):
    """C15, with both documented examples."""
    base = Float("base", 0.0, 1.0)
    old_job = parent(space=SearchSpace((base, *tunable.values())), static=static)
    found = one("F18", child(space=SearchSpace((base,)), static=new), [old_job])
    assert found.numbers["changes"] == count
    assert f"{count} of at most 10 changes" in found.detail


def test_f18_ten_changes_are_accepted_and_eleven_refused_with_the_arithmetic():
    base = Float("base", 0.0, 1.0)
    statics = {f"s{i}": "old" for i in range(4)}
    changed = dict.fromkeys(statics, "new")
    two, three = RED_OR_BLUE, Categorical("colour", ("red", "green", "blue"))
    target = child(space=SearchSpace((base,)), static={**changed, "colour": "red"})
    ten = one("F18", target, [parent(space=SearchSpace((base, two)), static=statics)])
    eleven = one("F18", target, [parent(space=SearchSpace((base, three)), static=statics)])
    assert (ten.ok, ten.numbers["changes"]) == (True, 10)
    assert (eleven.ok, eleven.numbers["changes"]) == (False, 11)
    assert eleven.detail.startswith(
        "2 (s0: old to new) + 2 (s1: old to new) + 2 (s2: old to new) + 2 (s3: old to new) + "
        "3 (colour: {red, green, blue} to static red) = 11 changes, above 10"
    )


def test_f18_ranges_and_static_to_tunable_cost_nothing():
    assert one("F18", MOVED).numbers["changes"] == 2  # momentum alone: a range made static
    wider = child(space=SearchSpace((Float("learning_rate", 0.0, 0.5), Float("momentum", 0.0, 0.5))))
    assert one("F18", wider).numbers["changes"] == 0


def test_f19_only_the_named_jobs_own_trials_count():
    assert "named jobs ran themselves" in one("F19").detail
    assert one("F19", parents=[parent(name="a"), parent(name="b", trials=7)]).numbers == {"trials": 57}


@pytest.mark.parametrize(("max_trials", "ok"), [(50, True), (51, False)])
def test_f20_parents_trials_count_toward_five_hundred(max_trials, ok):
    """300 + 150 leave 50."""
    parents = [parent(name="a", trials=300), parent(name="b", trials=150)]
    found = one("F20", parents=parents, max_trials=max_trials)
    assert found.ok is ok
    assert found.numbers["left"] == 50
    assert f"300 + 150 + {max_trials} = {450 + max_trials}" in found.detail
    if not ok:
        assert "set the number of trials to at most 50" in found.detail


def test_f20_parents_that_leave_nothing():
    found = one("F20", parents=[parent(trials=500)], max_trials=1)
    assert not found.ok and "choose fewer parents" in found.detail


def test_the_limits_can_be_set_per_installation():
    """C1."""
    parents = [parent(name=f"p{i}", trials=300) for i in range(3)]
    assert refused(parents=parents) == ["F20"]
    assert refused(parents=parents, max_total=1000, max_parents=2) == ["F13"]


@pytest.mark.parametrize(("schema", "ok"), [(0, False), (1, True), (2, False)])
def test_f21_parents_of_an_incompatible_version(schema, ok):
    assert one("F21", parents=[parent(schema=schema)]).ok is ok
    assert one("F21", child(schema=3), [parent(schema=2)], oldest_schema=2).ok
