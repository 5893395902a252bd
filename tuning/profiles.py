"""What the vendors' services allow in a tuning job, by name: asked for by its ``profile``, never applied by itself.

A job that is to run on such a service as well, or that came from one, is held to its spaces, strategies, early stopping
and counts, and takes its defaults where it is silent (seed, strategy, options, counts, scales of ranges); HPT's own are
far wider. What both have means what it does there. What only HPT has and no service could misread (how often a point is
run, points to try first, completion rules of its own) stays free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec
from tuning.expressions import FORMS
from tuning.parameters import Categorical, Expression, Float, Integer, Parameter
from tuning.space import SearchSpace

Names = frozenset[str]
_RANGES = ("float", "integer")
_KINDS = frozenset({*_RANGES, "categorical"})


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules of one service; None is no limit.

    ``searches`` is what a hyperparameter may be: a kind, or with ``expressions`` the name of a HyperDrive expression;
    ``searches_with`` narrows it for some strategies. ``no_policy_with`` are strategies beside which nothing may be
    stopped early. ``improvement`` is the share of the best value by more than which a trial improves on it, for
    completion by trials that do not, of which it takes ``least_not_improving``. ``advised`` is a number of trials for
    each hyperparameter, by strategy: advice, not a rule.
    """

    title: str
    strategies: tuple[str, ...]
    policies: tuple[str, ...] = ()
    no_policy_with: Names = frozenset()
    searches: Names = _KINDS
    searches_with: Mapping[str, Names] = field(default_factory=dict)
    expressions: bool = False
    plain: bool = False  # no expressions, no steps
    max_searched: int | None = None
    max_hyperparameters: int | None = None  # searched and static together
    max_values: int | None = None  # of one categorical
    max_trials: int | None = None
    max_trials_with: Mapping[str, int] = field(default_factory=dict)
    max_parallel: int | None = None
    seconds: tuple[int, int] | None = None  # what the job's max_seconds may be
    improvement: float = 0.0
    least_not_improving: int = 1
    whole_grid: bool = False  # a grid is run whole: max_trials is the number of its points
    advised: Mapping[str, int] = field(default_factory=dict)
    # What the service does where a job's document is silent.
    trials_unset: int | None = None
    all_at_once: bool = False
    seed_unset: int | None = None
    scale_unset: str | None = None
    options_unset: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


PROFILES: dict[str, Profile] = {
    # F41, F42, F45, F80 and F81: the guide, the API reference and the limits page of automatic model tuning.
    "sagemaker": Profile(
        "Amazon SageMaker automatic model tuning",
        strategies=("bayesian", "random", "grid", "hyperband"),
        policies=("automatic",),
        no_policy_with=frozenset({"hyperband"}),
        searches_with={"grid": frozenset({"categorical"})},
        plain=True,
        max_searched=30,
        max_hyperparameters=100,
        max_values=30,
        max_trials=750,
        max_trials_with={"random": 10_000},
        max_parallel=100,
        seconds=(120, 15_768_000),
        improvement=0.01,
        least_not_improving=3,
        whole_grid=True,
        # A choice: its Python SDK fills in Auto (ParameterRange, scaling_type); the API reference names no default.
        scale_unset="auto",
    ),
    # F34 to F38, F46, F47, F71, F75 and F76: expressions; no conditions or constraints.
    "hyperdrive": Profile(
        "Azure Machine Learning HyperDrive",
        strategies=("bayesian", "random", "sobol", "grid"),
        policies=("bandit", "median", "truncation"),
        no_policy_with=frozenset({"bayesian"}),
        searches=frozenset({"choice", "randint", "uniform", "loguniform", *FORMS}),
        searches_with={
            "grid": frozenset({"choice"}),
            "bayesian": frozenset({"choice", "uniform", "quniform"}),
        },
        expressions=True,
        max_trials=1000,
        max_parallel=100,
        advised={"bayesian": 20},
        all_at_once=True,
    ),
    # F39, F48 to F50, F73 and C13: the engines that ModelArts lists search floats only; trials end early by request.
    "modelarts": Profile(
        "Huawei ModelArts hyperparameter search",
        strategies=("bayesian", "tpe", "anneal"),
        searches=frozenset({"float"}),
        plain=True,
        trials_unset=20,
        seed_unset=1,
        options_unset={
            "bayesian": {"kind": "ucb", "kappa": 2.5, "xi": 0.0},
            "tpe": {"n_initial_points": 20, "gamma": 0.25, "estimators": "separate"},
            "anneal": {"avg_best_idx": 2.0, "shrink_coef": 0.1},
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Search:
    """What a profile asks of a job. ``static`` counts the static hyperparameters, ``space`` is None if unreadable."""

    space: SearchSpace | None
    static: int = 0
    strategy: str = "bayesian"
    policy: str | None = None
    max_trials: int = 1
    max_parallel: int = 1
    max_seconds: int | None = None
    repeats: int = 1
    max_not_improving: int | None = None


def profile_called(name: str) -> Profile:
    """Raises InvalidSpec at ``profile`` if there is none."""
    if name not in PROFILES:
        raise InvalidSpec([Fault("profile", f"is {shown(name)}; use one of {', '.join(PROFILES)}", "unknown")])
    return PROFILES[name]


# --- what a document leaves open --------------------------------------------------------------------------------------


def with_defaults(document: Mapping[str, object]) -> Mapping[str, object]:
    """A job's document with what its profile's service would do where it is silent; it need not be right otherwise."""
    name = document.get("profile")
    profile = PROFILES.get(name) if isinstance(name, str) else None
    if profile is None:
        return document
    filled = dict(document)
    if document.get("seed") is None and profile.seed_unset is not None:
        filled["seed"] = profile.seed_unset
    if "space" in document:
        filled["space"] = with_scales(profile, document["space"])
    strategy = {"name": profile.strategies[0]} if document.get("strategy") is None else document["strategy"]
    if isinstance(strategy, Mapping):
        filled["strategy"] = _with_options(profile, strategy)
    limits = {} if document.get("limits") is None else document["limits"]
    if isinstance(limits, Mapping):
        filled["limits"] = _with_limits(profile, limits)
    return filled


def with_scales(profile: Profile, space: object) -> object:
    """A space's document with the scale that the service takes for a range that names none; one that is read already
    has its scales.
    """
    if profile.scale_unset is None:
        return space
    if isinstance(space, Mapping) and "parameters" in space:
        return {**space, "parameters": with_scales(profile, space["parameters"])}
    if not isinstance(space, (list, tuple)):
        return space
    return [
        {**item, "scale": profile.scale_unset}
        if isinstance(item, Mapping) and item.get("type") in _RANGES and item.get("scale") is None
        else item
        for item in space
    ]


def _with_options(profile: Profile, strategy: Mapping[str, object]) -> Mapping[str, object]:
    given = {} if strategy.get("options") is None else strategy["options"]
    unset = profile.options_unset.get(str(strategy.get("name")), {})
    if not unset or not isinstance(given, Mapping):
        return strategy
    return {**strategy, "options": {**unset, **given}}


def _with_limits(profile: Profile, limits: Mapping[str, object]) -> Mapping[str, object]:
    filled = dict(limits)
    if filled.get("max_trials") is None and profile.trials_unset is not None:
        filled["max_trials"] = profile.trials_unset
    trials = filled.get("max_trials")
    if filled.get("max_parallel") is None and profile.all_at_once and isinstance(trials, int):
        filled["max_parallel"] = min(trials, profile.max_parallel or trials)
    return filled


def whole_grid(name: str | None, search: Search) -> int | None:
    """The only number of trials that a job of this profile may have (F42); None if that is not decided."""
    profile = PROFILES.get(name or "")
    if profile is None or not profile.whole_grid or search.strategy != "grid" or search.space is None:
        return None
    return None if search.space.size is None else search.space.size * search.repeats


def improvement(name: str | None) -> float:
    """The share of the best value by more than which a trial improves on it (F80); 0 without a profile."""
    profile = PROFILES.get(name or "")
    return 0.0 if profile is None else profile.improvement


def most_trials(name: str, search: Search) -> int | None:
    """As many trials as the service runs of such a search; None if it sets no limit.

    Raises:
        InvalidSpec: there is no such profile.
    """
    profile = profile_called(name)
    return whole_grid(name, search) or profile.max_trials_with.get(search.strategy, profile.max_trials)


# --- what must hold ---------------------------------------------------------------------------------------------------


def profile_faults(name: str, search: Search) -> list[Fault]:
    """Everything that keeps a job from the service called ``name``; fields as in the job's document.

    Raises:
        InvalidSpec: there is no such profile.
    """
    profile = profile_called(name)
    faults = [*_choice_faults(profile, search), *_limit_faults(name, profile, search)]
    if search.space is not None:
        faults += [*_count_faults(profile, len(search.space), search.static), *_space_faults(profile, search)]
    return faults


def advice(name: str, search: Search) -> list[Fault]:
    """What the service advises against without refusing it (F47)."""
    profile = profile_called(name)
    each = profile.advised.get(search.strategy)
    if each is None or search.space is None or search.max_trials >= each * len(search.space):
        return []
    count = len(search.space)
    message = f"is {search.max_trials}; {profile.title} advises {each} trials or more for each hyperparameter with "
    return [Fault("limits.max_trials", f"{message}{search.strategy}: {each * count} for {count}", "advice")]


def _choice_faults(profile: Profile, search: Search) -> list[Fault]:
    faults = []
    if search.strategy and search.strategy not in profile.strategies:
        message = f"is {shown(search.strategy)}; {profile.title} has {', '.join(profile.strategies)}"
        faults.append(Fault("strategy.name", message, "limit"))
    if search.policy is None:
        return faults
    if search.strategy in profile.no_policy_with:
        message = f"is {search.policy}; {profile.title} stops nothing early with {search.strategy}: leave it out"
        faults.append(Fault("early_stopping", message, "limit"))
    elif search.policy not in profile.policies:
        remedy = f"use {' or '.join(profile.policies)}, or leave it out" if profile.policies else "leave it out"
        message = f"is {shown(search.policy)}, which {profile.title} does not have; {remedy}"
        faults.append(Fault("early_stopping.name", message, "limit"))
    return faults


def _limit_faults(name: str, profile: Profile, search: Search) -> list[Fault]:
    faults = []
    most = profile.max_trials_with.get(search.strategy, profile.max_trials)
    points = whole_grid(name, search)
    if most is not None and search.max_trials > most:
        message = f"is {search.max_trials}; {profile.title} runs at most {most:,} trials with {search.strategy}"
        faults.append(Fault("limits.max_trials", message, "limit"))
    elif points is not None and search.max_trials != points:
        message = f"is {search.max_trials}; {profile.title} runs the whole grid: leave it out or give {points}"
        faults.append(Fault("limits.max_trials", message, "limit"))
    if profile.max_parallel is not None and search.max_parallel > profile.max_parallel:
        message = f"is {search.max_parallel}; {profile.title} runs at most {profile.max_parallel} trials at a time"
        faults.append(Fault("limits.max_parallel", message, "limit"))
    if profile.seconds is not None and search.max_seconds is not None:
        least, longest = profile.seconds
        if not least <= search.max_seconds <= longest:
            message = f"is {search.max_seconds}; {profile.title} takes {least:,} to {longest:,} seconds"
            faults.append(Fault("limits.max_seconds", message, "limit"))
    least_trials = profile.least_not_improving
    if search.max_not_improving is not None and search.max_not_improving < least_trials:
        message = f"is {search.max_not_improving}; {profile.title} takes {least_trials} trials or more"
        faults.append(Fault("completion.max_not_improving", message, "limit"))
    return faults


def _count_faults(profile: Profile, searched: int, static: int) -> list[Fault]:
    faults = []
    if profile.max_searched is not None and searched > profile.max_searched:
        message = f"has {searched} hyperparameters; {profile.title} searches at most {profile.max_searched}"
        faults.append(Fault("space", message, "limit"))
    total = searched + static
    if profile.max_hyperparameters is not None and total > profile.max_hyperparameters:
        message = f"has {searched}, with {static} static ones {total}; {profile.title} allows "
        faults.append(Fault("space", f"{message}{profile.max_hyperparameters}", "limit"))
    return faults


def _space_faults(profile: Profile, search: Search) -> list[Fault]:
    assert search.space is not None
    faults = []
    allowed = profile.searches_with.get(search.strategy, profile.searches)
    where = f" with {search.strategy}" if search.strategy in profile.searches_with else ""
    for index, parameter in enumerate(search.space.parameters):
        at = f"space[{index}]"
        what, known = _described(profile, parameter)
        if known not in allowed:
            message = f"is {what}; {profile.title} searches {', '.join(sorted(allowed))} only{where}"
            faults.append(Fault(f"{at}.type", message, "limit"))
        elif profile.plain and isinstance(parameter, (Float, Integer)) and parameter.step is not None:
            faults.append(Fault(f"{at}.step", f"is {parameter.step:g}; {profile.title} has no steps", "limit"))
        count = len(parameter.values) if isinstance(parameter, Categorical) else 0
        if profile.max_values is not None and count > profile.max_values:
            message = f"has {count} values; {profile.title} allows {profile.max_values}"
            faults.append(Fault(f"{at}.values", message, "limit"))
        if parameter.when is not None:
            faults.append(Fault(f"{at}.when", f"is a condition, which {profile.title} does not have", "limit"))
    if search.space.constraints:
        faults.append(Fault("constraints", f"are given; {profile.title} has none", "limit"))
    return faults


def _described(profile: Profile, parameter: Parameter) -> tuple[str, str]:
    """The hyperparameter in words, and what the service would call it ("" for what it has no name for)."""
    if isinstance(parameter, Expression):
        return parameter.form, parameter.form
    if not profile.expressions:
        return parameter.kind, parameter.kind
    if isinstance(parameter, Categorical):
        return "choice", "choice"
    if parameter.step is not None:
        return f"{parameter.kind} in steps of {parameter.step:g}", ""
    if isinstance(parameter, Integer):
        # F38: randint(upper) is 0 ... upper - 1; other whole numbers are a choice or rounded.
        randint = parameter.low == 0 and parameter.scale == "linear"
        return ("randint", "randint") if randint else (f"{parameter.scale} integer from {parameter.low}", "")
    name = {"linear": "uniform", "log": "loguniform"}.get(parameter.scale, "")
    return name or f"float on a {parameter.scale} scale", name
