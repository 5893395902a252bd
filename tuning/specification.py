"""The whole specification of a tuning job as one validated document.

`parse` reads the document that REST takes and every later dialect maps to, and lists all its faults at once;
`JobSpec.to_json` writes its canonical form, which is what is stored. What needs the database (do the algorithm, the
datasets and the parents exist?) is asked by `jobs.drafts` on top. The members that say how to search are read by
`search_rules`; documents stored before there were such members read as if they had the defaults (`complete`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from tuning import earlystop, profiles, search_rules, strategies, trial_rules
from tuning.completion import Criteria
from tuning.documents import Document, shown
from tuning.errors import Fault, InvalidSpec
from tuning.initial_points import Points
from tuning.space import Float, SearchSpace, Value
from tuning.states import Goal
from tuning.trial_rules import Keep, TrialReference
from tuning.warmstart import WarmStartType

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
MAX_TRIALS = 10_000
MAX_PARALLEL = 1_000
MAX_EQUAL_FAILURES = 5  # unless a job says otherwise
MAX_PARENTS_READ = 20  # more than the rule allows (F13), so that the rule can say how many there are
DAY = 24 * 3600
MOST_KEEP_ALIVE_SECONDS = 3600


# What documents did not have at first, as it is where a document is silent.
LATER_MEMBERS: Mapping[str, object] = {
    "runs_in": None,
    "image": None,
    "constraints": [],
    "initial_points": [],
    "repeats": 1,
    "completion": search_rules.completion_json(Criteria()),
    "profile": None,
    "resume_child_runs": [],
    "spot": False,
    "check_first": False,
    "keep": None,
}
LATER_LIMITS: Mapping[str, object] = {"max_equal_failures": MAX_EQUAL_FAILURES}

RUNS_IN = ("process", "container")

# Stands where a document's space is wrong; never in a specification that `parse` returned.
NO_SPACE = SearchSpace((Float("none", 0.0, 1.0),))


@dataclass(frozen=True, slots=True)
class Reference:
    """A versioned thing of the project by name; the newest version if none is given."""

    name: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy or policy of the registry with its options."""

    name: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Times in seconds; None means no limit. `max_failures` is how many failed trials the job bears before it fails
    (lost ones are not the script's fault), `max_equal_failures` how many equal ones in a row before it is paused.
    """

    max_trials: int = 10
    max_parallel: int = 1
    max_seconds: int | None = None
    trial_seconds: int = DAY
    max_attempts: int = 3
    max_failures: int | None = None
    max_equal_failures: int | None = MAX_EQUAL_FAILURES


@dataclass(frozen=True, slots=True)
class WarmStart:
    type: WarmStartType
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resources:
    """Of one trial. `gpu_memory_mb` is what it takes of each of its GPUs; without it they are its own while it runs.
    `pool` names the pool of devices in which it runs; without it one that fits is chosen. For `keep_alive_seconds` its
    container waits for the job's next trial; 0 for not at all."""

    cpus: float = 1
    memory_mb: int | None = None
    gpus: int = 0
    gpu_memory_mb: int | None = None
    pool: str | None = None
    keep_alive_seconds: int = 0


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A tuning job as its author wrote it, checked. `static` hyperparameters are the same in all trials.

    `runs_in` is one of RUNS_IN, or None for what the algorithm says; `image` is what containers are made from. With
    `check_first` one trial has to report the objective before the others start.
    """

    name: str
    description: str
    algorithm: Reference
    channels: Mapping[str, Reference]
    metric: str
    goal: Goal
    space: SearchSpace
    static: Mapping[str, Value]
    strategy: Choice
    early_stopping: Choice | None
    limits: JobLimits
    warm_start: WarmStart | None
    resources: Resources | None
    seed: int | None
    runs_in: str | None = None
    image: str | None = None
    initial_points: Points = ()
    repeats: int = 1
    completion: Criteria = field(default_factory=Criteria)
    profile: str | None = None
    resume_child_runs: tuple[TrialReference, ...] = ()
    spot: bool = False
    check_first: bool = False
    keep: Keep | None = None

    @property
    def has_space(self) -> bool:
        """False only for what `read` made of a document whose space is wrong."""
        return self.space is not NO_SPACE

    def to_json(self) -> dict[str, object]:
        """The document in its canonical form; `parse` reads it back to an equal specification."""
        return {
            "name": self.name,
            "description": self.description,
            "algorithm": asdict(self.algorithm),
            "channels": {name: {"dataset": ref.name, "version": ref.version} for name, ref in self.channels.items()},
            "objective": {"metric": self.metric, "goal": str(self.goal)},
            "space": self.space.to_json(),
            "constraints": [constraint.text for constraint in self.space.constraints],
            "static": dict(self.static),
            "strategy": {"name": self.strategy.name, "options": dict(self.strategy.options)},
            "early_stopping": self.early_stopping
            and {"name": self.early_stopping.name, "options": dict(self.early_stopping.options)},
            "initial_points": [dict(point) for point in self.initial_points],
            "repeats": self.repeats,
            "limits": asdict(self.limits),
            "completion": search_rules.completion_json(self.completion),
            "profile": self.profile,
            "warm_start": self.warm_start
            and {"type": str(self.warm_start.type), "parents": list(self.warm_start.parents)},
            "resume_child_runs": [str(trial) for trial in self.resume_child_runs],
            "spot": self.spot,
            "check_first": self.check_first,
            "keep": self.keep and asdict(self.keep),
            "runs_in": self.runs_in,
            "image": self.image,
            "resources": self.resources and asdict(self.resources),
            "seed": self.seed,
        }


def parse(document: object) -> JobSpec:
    """Read a job's document.

    Raises:
        InvalidSpec: with every fault, fields as JSON paths in the document (`space[2].min`).
    """
    spec, faults = read(document)
    spec, missing = pinned(spec)
    if faults := [*faults, *missing, *profile_faults(spec)]:
        raise InvalidSpec(faults)
    return spec


def stored(document: object) -> JobSpec:
    """A document that was checked when it was stored. A package whose strategy or policy it names may be gone since:
    who makes them (`strategies.planned`, `earlystop.create`) learns of it.

    Raises:
        InvalidSpec: its space cannot be read.
    """
    spec, faults = read(document)
    if not spec.has_space:
        raise InvalidSpec(faults)
    return pinned(spec)[0]


def read(document: object) -> tuple[JobSpec, list[Fault]]:
    """Read as much as can be: a specification to reason about, and every fault.

    For a form that is being filled in: the warm-start rules can be shown before the job has a name, and an unknown
    dataset is told of although a range is wrong. If the space is, the specification has none (`has_space`). What only
    all static hyperparameters together tell is left to `pinned` and `profile_faults`.
    """
    doc = Document(profiles.with_defaults(document) if isinstance(document, Mapping) else document)
    name = doc.text("name", longest=63)
    if name and not NAME.fullmatch(name):
        doc.fault("name", f"is {shown(name)}; use 1 to 63 letters and digits, with hyphens only between them")
    metric, goal = _objective(doc.part("objective", required=True))
    space = search_rules.read_space(doc)
    algorithm = doc.part("algorithm", required=True)
    resources = doc.part("resources")
    limits = doc.part("limits") or Document({}, "limits", doc.faults)
    strategy = _strategy(doc)
    spec = JobSpec(
        name=name,
        description=doc.text("description", default="", longest=10_000),
        algorithm=_reference(algorithm) if algorithm else Reference(""),
        channels=_channels(doc),
        metric=metric,
        goal=goal,
        space=NO_SPACE if space is None else space,
        static=search_rules.read_static(doc, space),
        strategy=strategy,
        early_stopping=_policy(doc, strategy),
        limits=_limits(limits),
        warm_start=_warm_start(doc.part("warm_start")),
        resources=read_resources(resources) if resources else None,
        runs_in=read_runs_in(doc),
        image=doc.text("image", default="", longest=512) or None,
        seed=doc.whole("seed", low=0, high=2**53, optional=True),
        initial_points=search_rules.read_points(doc, space),
        repeats=search_rules.read_repeats(doc),
        completion=search_rules.read_completion(doc.part("completion")),
        profile=search_rules.read_profile(doc),
        resume_child_runs=trial_rules.read_continued(doc),
        spot=doc.flag("spot"),
        check_first=doc.flag("check_first"),
        keep=trial_rules.read_keep(doc.part("keep")),
    )
    doc.close()
    if limits.raw("max_trials") is None and (points := profiles.whole_grid(spec.profile, _search(spec))):
        spec = replace(spec, limits=replace(spec.limits, max_trials=min(points, MAX_TRIALS)))
    return spec, doc.faults


def pinned(spec: JobSpec) -> tuple[JobSpec, list[Fault]]:
    """The specification with the strategy's options that follow from static hyperparameters, and what keeps one from
    being found. For whoever knows all of the statics: an algorithm's defaults are among them.
    """
    try:
        options = strategies.inferred(spec.strategy.name, spec.strategy.options, spec.static)
    except InvalidSpec as error:
        return spec, list(error.faults)
    return replace(spec, strategy=Choice(spec.strategy.name, options)), []


def profile_faults(spec: JobSpec) -> list[Fault]:
    """What keeps the job from the service whose profile it asks for."""
    return [] if spec.profile is None else profiles.profile_faults(spec.profile, _search(spec))


def advice(spec: JobSpec) -> list[Fault]:
    """What is allowed and probably not meant, each at its field, with the code `advice`."""
    found = [] if spec.profile is None else profiles.advice(spec.profile, _search(spec))
    points, trials = len(spec.initial_points) * spec.repeats, spec.limits.max_trials
    if points > trials:
        times = f", {spec.repeats} times each" if spec.repeats > 1 else ""
        message = f"has {len(spec.initial_points)} points{times}; only {trials} trials are run (limits.max_trials)"
        found.append(Fault("initial_points", message, "advice"))
    if spec.completion.max_gpu_hours is not None and (spec.resources is None or not spec.resources.gpus):
        message = f"is {spec.completion.max_gpu_hours:g}; the trials use no GPUs (resources.gpus), so it is never spent"
        found.append(Fault("completion.max_gpu_hours", message, "advice"))
    return found


def complete(document: Mapping[str, object]) -> dict[str, object]:
    """A stored document with the members that were not there yet when it was stored."""
    limits = document["limits"]
    assert isinstance(limits, Mapping), "it was checked when it was stored"
    return {**LATER_MEMBERS, **document, "limits": {**LATER_LIMITS, **limits}}


def _search(spec: JobSpec) -> profiles.Search:
    return profiles.Search(
        space=spec.space if spec.has_space else None,
        static=len(spec.static),
        strategy=spec.strategy.name,
        policy=spec.early_stopping.name if spec.early_stopping else None,
        max_trials=spec.limits.max_trials,
        max_parallel=spec.limits.max_parallel,
        max_seconds=spec.limits.max_seconds,
        repeats=spec.repeats,
        max_not_improving=spec.completion.max_not_improving,
    )


def _objective(doc: Document | None) -> tuple[str, Goal]:
    if doc is None:
        return "", Goal.MAXIMIZE
    metric = doc.text("metric")
    goal = doc.choice("goal", [str(goal) for goal in Goal], default=str(Goal.MAXIMIZE))
    doc.close()
    return metric, Goal(goal) if goal in set(Goal) else Goal.MAXIMIZE


def _reference(doc: Document, name: str = "name") -> Reference:
    reference = Reference(doc.text(name, longest=63), doc.whole("version", low=1, high=10**9, optional=True))
    doc.close()
    return reference


def _channels(doc: Document) -> dict[str, Reference]:
    members = doc.mapping("channels")
    return {
        channel: _reference(Document(value, f"channels.{channel}", doc.faults), "dataset")
        for channel, value in members.items()
    }


def _options(doc: Document) -> Choice:
    choice = Choice(doc.text("name"), doc.mapping("options"))
    doc.close()
    return choice


def _strategy(doc: Document) -> Choice:
    part = doc.part("strategy")
    if part is None:
        return Choice("auto")
    choice = _options(part)
    if choice.name:
        doc.sub(lambda: strategies.create(choice.name, choice.options, "strategy"))
    return choice


def _policy(doc: Document, strategy: Choice) -> Choice | None:
    part = doc.part("early_stopping")
    if part is None:
        return None
    choice = _options(part)
    # C18: two would judge the same trial.
    if any(info.schedules for info in strategies.catalogue() if info.name == strategy.name):
        message = f"is {shown(choice.name)}; {strategy.name} decides itself how far each trial goes: leave it out"
        doc.fault("early_stopping", message)
    if choice.name:
        doc.sub(lambda: earlystop.create(choice.name, choice.options, "early_stopping"))
    return choice


def _limits(doc: Document) -> JobLimits:
    limits = JobLimits(
        max_trials=doc.whole("max_trials", low=1, high=MAX_TRIALS, default=10) or 10,
        max_parallel=doc.whole("max_parallel", low=1, high=MAX_PARALLEL, default=1) or 1,
        max_seconds=doc.whole("max_seconds", low=1, high=365 * DAY, optional=True),
        trial_seconds=doc.whole("trial_seconds", low=1, high=365 * DAY, default=DAY) or DAY,
        max_attempts=doc.whole("max_attempts", low=1, high=100, default=3) or 3,
        max_failures=doc.whole("max_failures", low=0, high=MAX_TRIALS, optional=True),
        max_equal_failures=doc.whole(
            "max_equal_failures",
            low=1,
            high=MAX_TRIALS,
            optional=True,
            default=None if doc.has("max_equal_failures") else MAX_EQUAL_FAILURES,
        ),
    )
    doc.close()
    return limits


def _warm_start(doc: Document | None) -> WarmStart | None:
    if doc is None:
        return None
    kind = doc.choice("type", [str(kind) for kind in WarmStartType])
    parents = doc.raw("parents")
    doc.close()
    if not isinstance(parents, list) or not all(isinstance(name, str) for name in parents):
        doc.fault("parents", f"is {shown(parents)}; give a list of job names", "type")
        return None
    if len(parents) > MAX_PARENTS_READ:
        doc.fault("parents", f"has {len(parents)} names; at most 5 parents are possible", "limit")
    if len(set(parents)) < len(parents):
        doc.fault("parents", "names a job twice; name each parent once", "duplicate")
    return WarmStart(WarmStartType(kind), tuple(parents)) if kind in set(WarmStartType) else None


def read_resources(doc: Document) -> Resources:
    """What one trial needs; also part of an algorithm's version."""
    resources = Resources(
        cpus=doc.number("cpus", low=0.1, high=1024, default=1.0) or 1.0,
        memory_mb=doc.whole("memory_mb", low=16, high=2**24, optional=True),
        gpus=doc.whole("gpus", low=0, high=64, default=0) or 0,
        gpu_memory_mb=doc.whole("gpu_memory_mb", low=16, high=2**24, optional=True),
        pool=doc.text("pool", default="", longest=63) or None,
        keep_alive_seconds=doc.whole("keep_alive_seconds", low=0, high=MOST_KEEP_ALIVE_SECONDS, default=0) or 0,
    )
    if resources.gpu_memory_mb is not None and not resources.gpus:
        message = f"is {resources.gpu_memory_mb} of each of 0 GPUs; set gpus to 1 or more, or leave it out"
        doc.fault("gpu_memory_mb", message)
    doc.close()
    return resources


def read_runs_in(doc: Document) -> str | None:
    """Also part of an algorithm's version."""
    return doc.choice("runs_in", RUNS_IN, default="") or None
