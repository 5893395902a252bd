"""An algorithm version's document, read with every fault at once, each at its JSON path."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from hpt_web.catalog.models import DIGEST_PATTERN
from tuning import strategies
from tuning.backends.layout import taken_by_pipe
from tuning.documents import Document, shown
from tuning.errors import Fault, InvalidSpec
from tuning.metrics import metrics_from_json
from tuning.parameters import MAX_INTEGER, Categorical, Float, Integer, Value, name_faults
from tuning.specification import read_resources, read_runs_in
from tuning.states import Goal

MAX_HYPERPARAMETERS = 100  # static and searched together (F41)
MAX_CHANNELS = 20
MAX_VARIABLES = 100
T = TypeVar("T")
KINDS = ("float", "integer", "categorical", "text")

_DIGEST = re.compile(DIGEST_PATTERN)
PIPE = "Pipe"
INPUT_MODES = ("File", "FastFile", PIPE)
_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
# A reference to an image, as Docker reads it: host and port, path, tag, digest.
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
# What the service itself tells a trial, and what would change which code is loaded or run.
_RESERVED = re.compile(
    r"(?:HPT_|SM_|SAGEMAKER_|TRAINING_JOB_|LD_|DYLD_).*|PATH|HOME|PYTHONHOME|PYTHONSTARTUP|IFS|ENV|BASH_ENV"
)


@dataclass(frozen=True, slots=True)
class VersionDocument:
    """What a version declares, checked and complete. Of `files`, `bundle` and `image` one is given, or none if its
    trials run elsewhere (`external`)."""

    files: Mapping[str, str] | None
    bundle: str | None
    image: str | None
    entry_point: str
    hyperparameters: list[dict[str, object]] = field(default_factory=list)
    metrics: list[dict[str, object]] = field(default_factory=list)
    objectives: list[dict[str, object]] = field(default_factory=list)
    strategies: list[str] = field(default_factory=list)
    channels: list[dict[str, object]] = field(default_factory=list)
    resources: dict[str, object] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    equivalent_to: int | None = None
    external: bool = False
    runs_in: str = ""
    base_image: str = ""


def read_version(value: object) -> tuple[VersionDocument, list[Fault]]:
    """The document and all its faults; it may only be used if there are none."""
    doc = Document(value)
    source = doc.part("source", required=True)
    external = source is not None and flag(source, "external", default=False)
    files, bundle, image = _source(source)
    metrics = _metrics(doc, external=external)
    read = VersionDocument(
        files=files,
        bundle=bundle,
        image=image,
        entry_point=_entry_point(doc, script=image is None, external=external),
        hyperparameters=_named(doc, "hyperparameters", MAX_HYPERPARAMETERS, _hyperparameter),
        metrics=metrics,
        objectives=_objectives(doc, [str(metric["name"]) for metric in metrics]),
        strategies=_strategies(doc),
        channels=_channels(doc),
        resources=asdict(read_resources(doc.part("resources") or Document({}, "resources", doc.faults))),
        environment=_environment(doc),
        equivalent_to=doc.whole("equivalent_to", low=1, high=10**9, optional=True),
        external=external,
        runs_in=read_runs_in(doc) or "",
        base_image=_image(doc, "base_image", default=""),
    )
    _placement(doc, read)
    if external and read.environment:
        doc.fault("environment", "has variables; what runs elsewhere is not given any, leave them out")
    doc.close()
    return read, doc.faults


def _items(doc: Document, name: str, most: int) -> list[Document]:
    """The objects of a list, each to be read with the same faults."""
    value = doc.raw(name)
    if value is None:
        return []
    if not isinstance(value, list):
        doc.fault(name, f"is {shown(value)}; give a list of objects", "type")
        return []
    if len(value) > most:
        doc.fault(name, f"has {len(value)} items; at most {most} are possible", "limit")
        return []
    for index, item in enumerate(value):
        if not isinstance(item, Mapping):
            doc.fault(f"{name}[{index}]", f"is {shown(item)}; give a JSON object", "type")
    return [
        Document(item, f"{doc.path(name)}[{index}]", doc.faults)
        for index, item in enumerate(value)
        if isinstance(item, Mapping)
    ]


def _named(
    doc: Document, name: str, most: int, read: Callable[[Document], dict[str, object]]
) -> list[dict[str, object]]:
    """The items of a list, each read by `read`, no two of the same name."""
    found: list[dict[str, object]] = []
    for item in _items(doc, name, most):
        made = read(item)
        if made["name"] and made["name"] in [other["name"] for other in found]:
            item.fault("name", f"is {shown(made['name'])}, which stands there twice; rename one", "duplicate")
        found.append(made)
    return found


def _source(doc: Document | None) -> tuple[dict[str, str] | None, str | None, str | None]:
    if doc is None:
        return None, None, None
    given = [name for name in ("files", "bundle", "image") if doc.raw(name) is not None]
    given += ["external"] if doc.raw("external") is True else []
    doc.close()
    if len(given) != 1:
        doc.faults.append(Fault(doc.field, "must have exactly one of files, bundle, image and external: true; it has "
                                f"{' and '.join(given) or 'none'}", "required"))  # fmt: skip
        return None, None, None
    if given == ["external"]:
        return None, None, None
    if given == ["files"]:
        return _files(doc), None, None
    if given == ["bundle"]:
        text = doc.text("bundle", longest=512)
        if text and not _DIGEST.fullmatch(text):
            doc.fault("bundle", f"is {shown(text)}; give the digest that POST bundles answered (sha256:...)")
        return None, text, None
    return None, None, _image(doc, "image")


def _image(doc: Document, name: str, default: str | None = None) -> str:
    text = doc.text(name, default=default, longest=512)
    if text and not _IMAGE.fullmatch(text):
        doc.fault(name, f"is {shown(text)}; give a reference such as registry.example.org/team/train:1.2")
    return text


def _placement(doc: Document, read: VersionDocument) -> None:
    """Only a script may run in this or that; an image is a container, and what is external runs nowhere here."""
    script = not read.external and read.image is None
    if read.runs_in and not script and (read.external or read.runs_in != "container"):
        what = "what is external runs elsewhere" if read.external else "an image runs in a container"
        doc.fault("runs_in", f"is {read.runs_in}; {what}, leave it out")
    if read.base_image and not script:
        doc.fault("base_image", f"is {shown(read.base_image)}; only a script is run in one, leave it out")
    elif read.base_image and read.runs_in == "process":
        doc.fault("base_image", f"is {shown(read.base_image)}, and runs_in is process; set that to container")


def _files(doc: Document) -> dict[str, str]:
    files = doc.mapping("files")
    for name, text in files.items():
        if not isinstance(text, str):
            doc.fault(f"files[{name!r}]", f"is {shown(text)}; give the file's text", "type")
        elif "\x00" in text:
            doc.fault(f"files[{name!r}]", "holds a NUL character; leave it out")
    if not files:
        doc.fault("files", "is empty; give at least the script", "required")
    return {name: text for name, text in files.items() if isinstance(text, str)}


def _entry_point(doc: Document, *, script: bool, external: bool) -> str:
    entry_point = doc.text("entry_point", default=None if script and not external else "")
    if external:
        if entry_point:
            doc.fault("entry_point", f"is {shown(entry_point)}; nothing is started for external trials, leave it out")
        return ""
    if script and entry_point and not entry_point.endswith((".py", ".sh")):
        doc.fault("entry_point", f"is {shown(entry_point)}; name a file of the bundle that ends in .py or .sh")
    return entry_point


def _metrics(doc: Document, *, external: bool) -> list[dict[str, object]]:
    """Names and regexes; what is told of over REST needs no regex, and whatever stands there is not kept."""
    value = doc.raw("metrics")
    if external and isinstance(value, list):
        value = [{**item, "regex": "(.)"} if isinstance(item, Mapping) else item for item in value]
    found = doc.sub(lambda: metrics_from_json(value, "metrics"))
    return [asdict(metric) | ({"regex": ""} if external else {}) for metric in found or ()]


def _objectives(doc: Document, metrics: list[str]) -> list[dict[str, object]]:
    objectives: list[dict[str, object]] = []
    for item in _items(doc, "objectives", 2 * len(metrics) or 40):
        metric = item.text("metric")
        if metric and metrics and metric not in metrics:
            item.fault("metric", f"is {shown(metric)}; choose one of the metrics: {', '.join(metrics)}", "unknown")
        goal = item.choice("goal", [str(goal) for goal in Goal])
        item.close()
        if {"metric": metric, "goal": goal} in objectives:
            item.fault("metric", f"is {shown(metric)} with {goal} for the second time; leave it out", "duplicate")
        objectives.append({"metric": metric, "goal": goal})
    return objectives


def _strategies(doc: Document) -> list[str]:
    """The names of the strategies that the algorithm's jobs may use (F51); none: any."""
    value = doc.raw("strategies")
    if value is None:
        return []
    if not isinstance(value, list):
        doc.fault("strategies", f"is {shown(value)}; give a list of strategies' names", "type")
        return []
    known = [info.name for info in strategies.catalogue()]
    if len(value) > len(known):
        doc.fault("strategies", f"has {len(value)} items; there are {len(known)} strategies", "limit")
        return []
    found: list[str] = []
    for index, name in enumerate(value):
        if name not in known:
            doc.fault(f"strategies[{index}]", f"is {shown(name)}; choose one of {', '.join(known)}", "unknown")
        elif name in found:
            doc.fault(f"strategies[{index}]", f"is {shown(name)} for the second time; leave it out", "duplicate")
        else:
            found.append(name)
    return found


def _channels(doc: Document) -> list[dict[str, object]]:
    channels = _named(doc, "channels", MAX_CHANNELS, _channel)
    piped = [str(channel["name"]) for channel in channels if channel.get("input_mode") == PIPE]
    for index, channel in enumerate(channels):
        for other in piped:
            if taken_by_pipe(str(channel["name"]), other):
                text = f"is {shown(channel['name'])}, as a pipe of {other} is called; rename one of them"
                doc.fault(f"channels[{index}].name", text, "duplicate")
    return channels


def _channel(doc: Document) -> dict[str, object]:
    name = doc.text("name")
    if name and not _CHANNEL.fullmatch(name):
        doc.fault("name", f"is {shown(name)}; use 1 to 64 letters, digits and any of the signs . _ -")
    channel = {
        "name": name,
        "required": flag(doc, "required", default=True),
        "description": doc.text("description", default="", longest=1000),
    }
    if content_type := doc.text("content_type", default="", longest=256):
        channel["content_type"] = content_type
    # SageMaker's TrainingInputMode. The others are the same here, so only this one is kept.
    mode = doc.text("input_mode", default=INPUT_MODES[0])
    if mode not in INPUT_MODES:
        doc.fault("input_mode", f"is {shown(mode)}; choose one of {', '.join(INPUT_MODES)}", "unknown")
    elif mode == PIPE:
        channel["input_mode"] = mode
    doc.close()
    return channel


def flag(doc: Document, name: str, *, default: bool) -> bool:
    value = doc.raw(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        doc.fault(name, f"is {shown(value)}; give true or false", "type")
        return default
    return value


def _environment(doc: Document) -> dict[str, str]:
    variables = doc.mapping("environment")
    if len(variables) > MAX_VARIABLES:
        doc.fault("environment", f"has {len(variables)} variables; at most {MAX_VARIABLES} are possible", "limit")
    for name, value in variables.items():
        at = f"environment.{name}"
        if not _VARIABLE.fullmatch(name):
            doc.fault(at, "is not a variable's name; use letters, digits and _, not a digit first", "name")
        elif _RESERVED.fullmatch(name):
            doc.fault(at, "is set by the service, or changes which code runs; choose another name", "reserved")
        if not isinstance(value, str) or "\x00" in value or len(value) > 32_768:
            doc.fault(at, f"is {shown(value)}; give a text of at most 32,768 characters without NUL", "type")
    return {name: value for name, value in variables.items() if isinstance(value, str)}


# --- hyperparameters --------------------------------------------------------------------------------------------------


def _hyperparameter(doc: Document) -> dict[str, object]:
    """One definition. Its range and values are checked by the engine's own classes, so that the two never differ."""
    name = doc.text("name")
    doc.faults.extend(Fault(doc.path("name"), fault.message, fault.code) for fault in name_faults(name or "x"))
    kind = doc.choice("type", KINDS)
    low, high, values, default = (doc.raw(key) for key in ("min", "max", "values", "default"))
    tunable = flag(doc, "tunable", default=kind != "text")
    description = doc.text("description", default="", longest=1000)
    doc.close()
    if kind in ("float", "integer"):
        low, high = _number(doc, "min", low, kind), _number(doc, "max", high, kind)
        _refuse_present(doc, kind, values=values)
        if low is not None and high is not None:
            make = Float if kind == "float" else Integer
            doc.sub(lambda: _at(doc, lambda: make("x", low, high)))  # type: ignore[arg-type]
    elif kind == "categorical":
        _refuse_present(doc, kind, min=low, max=high)
        values = _values(doc, values)
    elif kind == "text":
        _refuse_present(doc, kind, min=low, max=high, values=values)
        if tunable:
            doc.fault("tunable", "is true; a text cannot be searched, make it categorical or set this to false")
    default = _default(doc, kind, default, low, high, values)
    return {
        "name": name,
        "type": kind,
        "default": default,
        "min": low,
        "max": high,
        "values": values,
        "tunable": tunable,
        "description": description,
    }


def _at(doc: Document, build: Callable[[], T]) -> T:
    """Call `build` and move the fields of its faults to the place of `doc`."""
    try:
        return build()
    except InvalidSpec as error:
        raise InvalidSpec(Fault(doc.path(fault.field), fault.message, fault.code) for fault in error.faults) from None


def _refuse_present(doc: Document, kind: str, **members: object) -> None:
    for name, value in members.items():
        if value is not None:
            doc.fault(name, f"is {shown(value)}; a {kind} hyperparameter has none, leave it out")


def _number(doc: Document, name: str, value: object, kind: str) -> float | int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int if kind == "integer" else (int, float)):
        doc.fault(name, f"is {shown(value)}; give {'a whole' if kind == 'integer' else 'a'} number", "type")
        return None
    if abs(value) > MAX_INTEGER if isinstance(value, int) else not math.isfinite(value):
        doc.fault(name, f"is {shown(value)}; give a finite number, a whole one within -2^53 and 2^53", "range")
        return None
    return value


def _values(doc: Document, values: object) -> list[Value] | None:
    if not isinstance(values, list):
        doc.fault("values", f"is {shown(values)}; give the list of values", "required" if values is None else "type")
        return None
    found = doc.sub(lambda: _at(doc, lambda: Categorical("x", tuple(values))))
    return list(values) if found is not None else None


def _default(doc: Document, kind: str, value: object, low: object, high: object, values: object) -> object:
    if value is None:
        return None
    problem = None
    if kind in ("float", "integer"):
        number = _number(doc, "default", value, kind)
        if isinstance(number, (int, float)):
            if isinstance(low, (int, float)) and number < low:
                problem = f"give {low:g} or more, as `min` says"
            elif isinstance(high, (int, float)) and number > high:
                problem = f"give {high:g} or less, as `max` says"
    elif kind == "categorical" and isinstance(values, list) and value not in values:
        problem = f"choose one of {', '.join(map(shown, values))}"
    elif kind == "text" and not isinstance(value, str):
        problem = "give a text"
    if problem:
        doc.fault("default", f"is {shown(value)}; {problem}", "range")
    return value
