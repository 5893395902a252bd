"""A job's document held against the project: what it names must exist, fit together and be allowed.

Everything that is wrong is gathered, in the document's own terms, before anything is written.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django.conf import settings as django_settings

from hpt_web.accounts import policies
from hpt_web.accounts.models import Project, User
from hpt_web.catalog.models import AlgorithmVersion, DatasetVersion
from hpt_web.jobs.documents import fitting
from hpt_web.jobs.models import Trial, TuningJob
from hpt_web.jobs.running import continuing
from hpt_web.jobs.running.backends import CONTAINER
from hpt_web.jobs.running.images import keep_alive_faults, placed
from hpt_web.jobs.search.parents import outline, outline_of
from hpt_web.jobs.sharing.quotas import place_faults, quota_faults
from tuning import specification, warmstart
from tuning.documents import shown
from tuning.errors import Fault
from tuning.specification import JobSpec, Reference, Resources
from tuning.warmstart import RuleCheck

SEED_BITS = 31


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that was read and resolved. It may become a job if `faults` is empty; `advice` forbids nothing."""

    spec: JobSpec
    version: AlgorithmVersion | None
    channels: Mapping[str, DatasetVersion]
    parents: tuple[TuningJob, ...]
    rules: tuple[RuleCheck, ...]
    faults: tuple[Fault, ...]
    advice: tuple[Fault, ...] = ()
    continued: tuple[Trial, ...] = ()


def draft(user: User, project: Project, document: object) -> Draft:
    """Read `document` and hold it against `project`; nothing is written."""
    given, document = document, policies.filled(document, project.team)
    spec, faults = specification.read(document)
    version = _algorithm(project, spec.algorithm, faults)
    channels = _channels(project, spec, version, faults)
    if version is not None:
        asked = spec.resources
        if version.kind == AlgorithmVersion.Kind.EXTERNAL and not (isinstance(given, Mapping) and given.get("runs_in")):
            spec = replace(spec, runs_in=None)  # a team's policy is about what runs here
        spec, missing = specification.pinned(_with_defaults(spec, version, channels))
        faults += [*missing, *_objective_faults(spec, version), *_strategy_faults(spec, version)]
        faults += place_faults(user, project, spec)
        wanted = spec.image or version.image or version.base_image or django_settings.HPT_BASE_IMAGE
        spec, misplaced = placed(spec, version)
        faults += _policy_faults(project, spec, wanted)
        faults += [*misplaced, *keep_alive_faults(asked, spec, version)]
        if spec.has_space:
            faults += [*fitting.space_faults(spec, version, document), *fitting.static_faults(spec, version)]
    faults += specification.profile_faults(spec)
    faults += quota_faults(user, project, spec)
    if spec.name and TuningJob.objects.filter(project=project, name__iexact=spec.name).exists():
        faults.append(Fault("name", f"is {shown(spec.name)}, which another job here has; choose another", "taken"))
    parents = _parents(project, spec, faults)
    rules = _rules(spec, version, channels, parents) if version is not None and spec.has_space else ()
    faults += [Fault("warm_start", f"{rule.rule} {rule.title}: {rule.detail}", rule.rule) for rule in broken(rules)]
    advice = specification.advice(spec)
    continued = continuing.origins(project, spec, version, faults, advice)
    return Draft(spec, version, channels, parents, rules, tuple(faults), tuple(advice), continued)


def broken(rules: Iterable[RuleCheck]) -> list[RuleCheck]:
    """The rules that forbid the job; a warning does not."""
    return [rule for rule in rules if rule.refuses]


# --- what is referred to ----------------------------------------------------------------------------------------------


def _algorithm(project: Project, reference: Reference, faults: list[Fault]) -> AlgorithmVersion | None:
    if not reference.name:
        return None
    versions = AlgorithmVersion.objects.filter(algorithm__project=project, algorithm__name__iexact=reference.name)
    newest = versions.order_by("-number").select_related("algorithm").first()
    if newest is None:
        faults.append(
            Fault("algorithm.name", f"is {shown(reference.name)}; no algorithm here has that name", "unknown")
        )
        return None
    if reference.version is None:
        return newest
    version = versions.filter(number=reference.version).select_related("algorithm").first()
    if version is None:
        message = f"is {reference.version}; {newest.algorithm.name} has the versions 1 to {newest.number}"
        faults.append(Fault("algorithm.version", message, "unknown"))
    return version


def _channels(
    project: Project, spec: JobSpec, version: AlgorithmVersion | None, faults: list[Fault]
) -> dict[str, DatasetVersion]:
    found = {}
    for name, reference in spec.channels.items():
        dataset = _dataset(project, f"channels.{name}", reference, faults)
        if dataset is not None:
            found[name] = dataset
    if version is not None:
        declared = {channel["name"]: channel for channel in version.channels}
        for name in spec.channels.keys() - declared.keys():
            message = f"is not a channel of the algorithm; it has {', '.join(declared) or 'none'}"
            faults.append(Fault(f"channels.{name}", message, "unknown"))
        for name, channel in declared.items():
            if channel.get("required", True) and name not in spec.channels:
                faults.append(Fault(f"channels.{name}", "is missing; choose a dataset for it", "required"))
    return found


def _dataset(project: Project, field: str, reference: Reference, faults: list[Fault]) -> DatasetVersion | None:
    if not reference.name:
        return None
    versions = DatasetVersion.objects.filter(dataset__project=project, dataset__name__iexact=reference.name)
    newest = versions.order_by("-number").select_related("dataset").first()
    if newest is None:
        message = f"is {shown(reference.name)}; no dataset here has that name and a version"
        faults.append(Fault(f"{field}.dataset", message, "unknown"))
        return None
    if reference.version is None:
        return newest
    version = versions.filter(number=reference.version).select_related("dataset").first()
    if version is None:
        message = f"is {reference.version}; {newest.dataset.name} has the versions 1 to {newest.number}"
        faults.append(Fault(f"{field}.version", message, "unknown"))
    return version


def _parents(project: Project, spec: JobSpec, faults: list[Fault]) -> tuple[TuningJob, ...]:
    if spec.warm_start is None:
        return ()
    jobs = TuningJob.objects.filter(project=project).select_related("algorithm_version")
    found = []
    for index, name in enumerate(spec.warm_start.parents):
        parent = jobs.filter(name__iexact=name).first()
        if parent is None:
            message = f"is {shown(name)}; no tuning job of this project has that name"
            faults.append(Fault(f"warm_start.parents[{index}]", message, "unknown"))
        else:
            found.append(parent)
    return tuple(found)


def _rules(
    spec: JobSpec,
    version: AlgorithmVersion,
    channels: Mapping[str, DatasetVersion],
    parents: tuple[TuningJob, ...],
) -> tuple[RuleCheck, ...]:
    if spec.warm_start is None:
        return ()
    child = outline(spec, version, channels)
    outlines = [outline_of(parent) for parent in parents]
    return tuple(warmstart.check(child, outlines, spec.warm_start.type, spec.limits.max_trials))


def _with_defaults(spec: JobSpec, version: AlgorithmVersion, channels: Mapping[str, DatasetVersion]) -> JobSpec:
    """Everything left open is pinned, so that the stored document says exactly what runs.

    Hyperparameters that the author left out become static ones with their default: the names of a job are all names of
    its algorithm, which is what the warm-start rules compare (C14).
    """
    searched = {parameter.name for parameter in spec.space.parameters}
    defaults = {
        declared["name"]: declared["default"]
        for declared in version.hyperparameters
        if declared["name"] not in searched and declared.get("default") is not None
    }
    return replace(
        spec,
        algorithm=Reference(version.algorithm.name, version.number),
        channels={name: Reference(found.dataset.name, found.number) for name, found in channels.items()},
        static=defaults | dict(spec.static),
        seed=secrets.randbits(SEED_BITS) if spec.seed is None else spec.seed,
        resources=spec.resources or Resources(**version.resources),
    )


# --- what must fit ----------------------------------------------------------------------------------------------------


def _objective_faults(spec: JobSpec, version: AlgorithmVersion) -> list[Fault]:
    names = [metric["name"] for metric in version.metrics]
    if spec.metric and spec.metric not in names:
        message = f"is {shown(spec.metric)}, which the algorithm does not report; it reports {', '.join(names)}"
        return [Fault("objective.metric", message, "unknown")]
    allowed = [(objective["metric"], objective["goal"]) for objective in version.objectives]
    if spec.metric and allowed and (spec.metric, spec.goal) not in allowed:
        pairs = ", ".join(f"{goal} {metric}" for metric, goal in allowed)
        return [Fault("objective", f"is {spec.goal} {spec.metric}; the algorithm is made for: {pairs}", "invalid")]
    return []


def _policy_faults(project: Project, spec: JobSpec, image: str) -> list[Fault]:
    """What the project's team has decided for all of its jobs. Trials that run elsewhere run in nothing of ours."""
    settings: dict[str, object] = {"spot": spec.spot, "check_first": spec.check_first}
    if spec.runs_in is not None:
        settings["runs_in"] = spec.runs_in
    found = policies.job_faults(project.team, settings, image if spec.runs_in == CONTAINER else None)
    return [Fault(fault.field, fault.message, fault.code) for fault in found]


def _strategy_faults(spec: JobSpec, version: AlgorithmVersion) -> list[Fault]:
    """F51: a job may search with what its algorithm is made for."""
    name = spec.strategy.name
    if not name or not version.strategies or name in version.strategies:
        return []
    message = f"is {shown(name)}; the algorithm is made for: {', '.join(version.strategies)}"
    return [Fault("strategy.name", message, "invalid")]
