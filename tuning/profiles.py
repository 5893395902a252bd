"""What the vendors' services allow in a search space, by name: to be asked for, never applied by itself.

A job that is to run on such a service as well, or that came from one, is held to its limits; HPT's own are far wider.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec
from tuning.parameters import Categorical, Expression
from tuning.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Profile:
    """Limits of one service; None is no limit. ``kinds`` are the kinds of hyperparameter that it can search."""

    title: str
    kinds: frozenset[str] = frozenset({"float", "integer", "categorical"})
    max_searched: int | None = None
    max_hyperparameters: int | None = None  # searched and static together
    max_values: int | None = None  # of one categorical
    plain: bool = False  # no conditions, constraints, steps or expressions


PROFILES: dict[str, Profile] = {
    # F41, the limits page of automatic model tuning.
    "sagemaker": Profile(
        "Amazon SageMaker automatic model tuning",
        max_searched=30,
        max_hyperparameters=100,
        max_values=30,
        plain=True,
    ),
    # F39, C13: the engines that ModelArts lists search floats only.
    "modelarts": Profile("Huawei ModelArts hyperparameter search", kinds=frozenset({"float"}), plain=True),
    # F34 to F38: ranges and expressions; no conditions or constraints.
    "hyperdrive": Profile("Azure Machine Learning HyperDrive"),
}


def profile_faults(name: str, space: SearchSpace, static: int = 0, field: str = "space") -> tuple[Fault, ...]:
    """What keeps ``space``, with ``static`` static hyperparameters beside it, from the service called ``name``.

    Raises:
        InvalidSpec: there is no such profile.
    """
    if name not in PROFILES:
        raise InvalidSpec([Fault("profile", f"is {shown(name)}; use one of {', '.join(PROFILES)}", "unknown")])
    profile = PROFILES[name]
    faults = _count_faults(profile, len(space), static, field)
    for index, parameter in enumerate(space.parameters):
        at = f"{field}[{index}]"
        if parameter.kind not in profile.kinds:
            allowed = " and ".join(sorted(profile.kinds))
            faults.append(Fault(f"{at}.type", f"is {parameter.kind}; {profile.title} searches {allowed} only", "limit"))
        if profile.max_values is not None and isinstance(parameter, Categorical):
            count = len(parameter.values)
            if count > profile.max_values:
                message = f"has {count} values; {profile.title} allows {profile.max_values}"
                faults.append(Fault(f"{at}.values", message, "limit"))
        if profile.plain and isinstance(parameter, Expression):
            message = f"is {parameter.form}, which {profile.title} does not have; use a range"
            faults.append(Fault(f"{at}.type", message, "limit"))
        elif profile.plain and not isinstance(parameter, (Categorical, Expression)) and parameter.step is not None:
            faults.append(Fault(f"{at}.step", f"is {parameter.step:g}; {profile.title} has no steps", "limit"))
        if parameter.when is not None:
            faults.append(Fault(f"{at}.when", f"is a condition, which {profile.title} does not have", "limit"))
    if space.constraints:
        faults.append(Fault(f"{field}.constraints", f"are given; {profile.title} has none", "limit"))
    return tuple(faults)


def _count_faults(profile: Profile, searched: int, static: int, field: str) -> list[Fault]:
    faults = []
    if profile.max_searched is not None and searched > profile.max_searched:
        message = f"has {searched} hyperparameters; {profile.title} searches at most {profile.max_searched}"
        faults.append(Fault(field, message, "limit"))
    total = searched + static
    if profile.max_hyperparameters is not None and total > profile.max_hyperparameters:
        message = f"has {searched}, with {static} static ones {total}; {profile.title} allows "
        faults.append(Fault(field, f"{message}{profile.max_hyperparameters}", "limit"))
    return faults
