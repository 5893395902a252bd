"""Reading metrics from what a trial prints: user regexes with one group each, and one-line JSON reports.

The text and the patterns are hostile until shown otherwise. The regex engine is RE2 (linear time, no look-around and no
back-references); programs, lines and matches per line are bounded, so that no trial can buy the reader's time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import re2

from tuning.errors import Fault, InvalidSpec

MAX_METRICS = 40
MAX_NAME = 255
MAX_REGEX = 512
MAX_LINE = 8192  # bytes of a line that are searched; a caller must offer more than this per read, or wait for ``final``
MAX_MATCHES = 100  # values of one metric on one line
MAX_REJECTED = 50  # rejected values kept per read: they are there to be read by a person
# Worst case of RE2 is line length x program size; this keeps it at some milliseconds per line. Ordinary metric regexes
# have programs of 10 to 50 instructions.
MAX_PROGRAM = 2000

STEP = "step"  # the key of a JSON report that is no metric
_REPORT = b"hpt"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric's name and the RE2 pattern whose one group captures its value.

    Raises:
        InvalidSpec: with fields "name" and "regex".
    """

    name: str
    regex: str

    def __post_init__(self) -> None:
        faults = _name_faults(self.name) + _regex_faults(self.regex)
        if faults:
            raise InvalidSpec(faults)


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one metric. ``step`` is None unless the trial reported it."""

    metric: str
    value: float
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that looked like a value and was not stored; ``reason`` is a sentence for the trial's page."""

    metric: str
    text: str
    reason: str


@dataclass(slots=True)
class Reading:
    """What one read found.

    ``consumed`` is how many bytes are done with: the next read begins there. ``skipping`` says that this position is
    inside a line whose end must be skipped; the caller stores it with the offset and passes it to the next read.
    """

    points: list[Point] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    consumed: int = 0
    skipping: bool = False


def metrics_from_json(doc: object, field: str = "metrics") -> tuple[MetricDefinition, ...]:
    """Read a list of {"name", "regex"}.

    Raises:
        InvalidSpec: with every fault of every definition, fields named relative to ``field``.
    """
    if not isinstance(doc, (list, tuple)):
        raise InvalidSpec([Fault(field, "is not a list; give a list of metrics with name and regex", "type")])
    if not doc:
        raise InvalidSpec([Fault(field, "is empty; define at least the objective metric", "required")])
    if len(doc) > MAX_METRICS:
        raise InvalidSpec([Fault(field, f"has {len(doc)} metrics; define at most {MAX_METRICS}", "limit")])
    faults: list[Fault] = []
    definitions: list[MetricDefinition] = []
    first: dict[str, int] = {}
    for index, item in enumerate(doc):
        at = f"{field}[{index}]"
        if not isinstance(item, Mapping):
            faults.append(Fault(at, "is not an object; give a name and a regex", "type"))
            continue
        unknown = [key for key in item if key not in ("name", "regex")]
        faults.extend(Fault(f"{at}.{k}", "is not a field of a metric; use name and regex", "unknown") for k in unknown)
        name = item.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            message = f"is {name!r}, the name of {field}[{first[name]}] as well; define each metric once"
            faults.append(Fault(f"{at}.name", message, "duplicate"))
        try:
            definitions.append(MetricDefinition(name, item.get("regex")))  # type: ignore[arg-type]
        except InvalidSpec as error:
            faults.extend(Fault(f"{at}.{fault.field}", fault.message, fault.code) for fault in error.faults)
    if faults:
        raise InvalidSpec(faults)
    return tuple(definitions)


class MetricReader:
    """Finds the values of some metrics in a trial's output, piece by piece.

    It keeps nothing between reads: where the pieces are cut changes nothing about what is found.
    """

    def __init__(self, definitions: Iterable[MetricDefinition]) -> None:
        self._definitions = tuple(definitions)
        self._names = frozenset(d.name for d in self._definitions)
        self._patterns = [(d.name, re2.compile(d.regex, _options())) for d in self._definitions]
        # One search decides for most lines that no metric is on them.
        any_of = "|".join(f"(?:{d.regex})" for d in self._definitions)
        self._any = re2.compile(any_of, _options(max_mem=64 << 20, never_capture=True))

    def read(self, data: bytes, skipping: bool = False, final: bool = False) -> Reading:
        """Read every complete line of ``data``; with ``final``, the incomplete last one too.

        A line ends with \\n or \\r (progress bars). Of a line longer than MAX_LINE only the beginning is searched; the
        rest is skipped, over as many reads as it lasts. ``data`` must hold more than MAX_LINE bytes for progress on
        such a line. Values that are not finite numbers are rejected, never returned as points.
        """
        start = _line_end(data) if skipping else 0
        if skipping and start == 0:
            return Reading(consumed=len(data), skipping=not final)
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        lines = data[start:end].replace(b"\r", b"\n").split(b"\n")
        long = len(data) - end > MAX_LINE
        if final or long:
            lines.append(data[end : end + MAX_LINE + 1])
            end = len(data)
        reading = Reading(consumed=end, skipping=long and not final)
        for line in lines:
            if line:
                self._read_line(line, reading)
        return reading

    def _read_line(self, line: bytes, reading: Reading) -> None:
        cut = len(line) > MAX_LINE
        if cut:
            line = line[:MAX_LINE]
        if _is_report(line):
            self._read_report(line, cut, reading)
            return
        if self._any.search(line) is None:
            return
        for name, pattern in self._patterns:
            count = 0
            for match in pattern.finditer(line):
                begin, stop = match.span(1)
                if begin == stop:  # the group took no part, or matched nothing
                    continue
                count += 1
                text = line[begin:stop]
                if count > MAX_MATCHES:
                    _reject(reading, name, text, f"is beyond the first {MAX_MATCHES} values of {name} on one line")
                    break
                if cut and match.end() == MAX_LINE:
                    _reject(reading, name, text, f"is cut off: only {MAX_LINE} bytes of a line are read")
                    break
                _store(reading, name, text, None)

    def _read_report(self, line: bytes, cut: bool, reading: Reading) -> None:
        """A line {"hpt": {"f1": 0.93, "step": 3}}: the declared metrics in it; any other key is ignored."""
        if cut:
            _reject(reading, "", line, f"is a JSON report longer than {MAX_LINE} bytes")
            return
        try:
            report = json.loads(line)["hpt"]
        except (ValueError, RecursionError, KeyError):
            _reject(reading, "", line, 'is not a JSON report: write one line such as {"hpt": {"f1": 0.93}}')
            return
        if not isinstance(report, dict):
            _reject(reading, "", line, 'holds no object under "hpt"')
            return
        step = report.get(STEP)
        if step is not None and (type(step) is not int or not 0 <= step <= 2**53):
            _reject(reading, "", repr(step).encode(), "is not a step: give a whole number from 0")
            step = None
        for name, value in report.items():
            if name not in self._names:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                _reject(reading, name, repr(value).encode(), "is not a number")
            else:
                _store(reading, name, repr(value).encode(), step)


def _is_report(line: bytes) -> bool:
    text = line.lstrip()
    return text.startswith(b"{") and text[1:].lstrip().startswith(b'"' + _REPORT + b'"')


def _line_end(data: bytes) -> int:
    """The position after the first line end; 0 if there is none."""
    ends = [at for at in (data.find(b"\n"), data.find(b"\r")) if at >= 0]
    return min(ends) + 1 if ends else 0


def _store(reading: Reading, metric: str, text: bytes, step: int | None) -> None:
    try:
        # float() also takes 1_000 and digits of other scripts; neither is what a program prints by accident.
        value = float(text.decode("ascii").replace("_", "?"))
    except ValueError:
        _reject(reading, metric, text, "is not a number")
        return
    if math.isfinite(value):
        reading.points.append(Point(metric, value, step))
    else:
        _reject(reading, metric, text, "is not a finite number")


def _reject(reading: Reading, metric: str, text: bytes, reason: str) -> None:
    if len(reading.rejected) < MAX_REJECTED:
        shown = text[:80].decode("utf-8", "replace").replace("\0", "\ufffd")  # no database stores NUL in a text
        reading.rejected.append(Rejected(metric, shown, f"{shown!r} {reason}"))


def _options(max_mem: int = 8 << 20, never_capture: bool = False) -> re2.Options:
    options = re2.Options()
    options.log_errors = False  # a bad pattern is the user's to read, not the server's standard error's
    options.max_mem = max_mem
    options.never_capture = never_capture
    return options


def _name_faults(name: object) -> list[Fault]:
    if not isinstance(name, str) or not name:
        return [Fault("name", f"is {name!r}; give the metric's name, such as f1", "required")]
    if len(name) > MAX_NAME:
        return [Fault("name", f"has {len(name)} characters; use at most {MAX_NAME}", "limit")]
    if not name.isprintable() or name != name.strip():
        return [Fault("name", f"is {name!r}; use printable characters, without spaces at the ends")]
    if name == STEP:
        return [Fault("name", f"is {name!r}, which counts the steps in JSON reports; choose another name")]
    return []


def _regex_faults(regex: object) -> list[Fault]:
    if not isinstance(regex, str) or not regex:
        return [Fault("regex", f"is {regex!r}; give a pattern with one group, such as f1:\\s+([0-9.]+)", "required")]
    if len(regex) > MAX_REGEX:
        return [Fault("regex", f"has {len(regex)} characters; use at most {MAX_REGEX}", "limit")]
    try:
        pattern = re2.compile(regex, _options())
    except (re2.error, UnicodeEncodeError) as error:
        detail = error.args[0] if error.args else error
        detail = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        message = f"is {regex!r}, which does not compile: {detail}. RE2 has no look-around and no back-references"
        return [Fault("regex", message)]
    if pattern.groups != 1:
        message = f"is {regex!r} with {pattern.groups} groups; put exactly one ( ) around the value"
        return [Fault("regex", message + ", and (?: ) around anything else")]
    if pattern.programsize > MAX_PROGRAM:
        return [Fault("regex", f"is {regex!r}, too complex to run on every line; repeat less in it", "limit")]
    return []
