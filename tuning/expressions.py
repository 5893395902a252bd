"""HyperDrive's parameter expressions that are no plain range: rounded and normal ones (F35, F36).

With X = uniform(low, high) or normal(mu, sigma), where loguniform and lognormal are exp(X) (so that their bounds, mu
and sigma are natural-log exponents), the q expressions are round(X / q) * q; round is to the nearest, halves to even.
The others are plain kinds under another name (space_document.py): choice is Categorical, randint(upper) is Integer 0
to upper - 1, uniform is Float, loguniform is Float on a log scale from exp(low) to exp(high).

A unit coordinate u is the cumulative probability of X, so that uniform units have exactly these distributions. Normal
ones end at 6 standard deviations, beyond which lies one value in 500 million: none is suggested from there, but one
that is given (a first point, an earlier trial) is a value like any other, next to the end for models.

Where that reaches beyond what a float64 holds, exp(-700) to exp(700), or 2^53 times q, the distribution is truncated
there: the greater part of it must lie within.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tuning import normal as standard_normal
from tuning.errors import Fault
from tuning.parameter_rules import (
    DIGITS,
    MAX_INTEGER,
    Condition,
    Value,
    digits_within,
    is_multiple,
    is_number,
    name_faults,
    number_faults,
    number_in,
    order_faults,
    raise_faults,
)
from tuning.plain import plain
from tuning.scales import SCALES, Floats

# type: (normal instead of uniform, exponential, rounded to multiples of q)
FORMS: dict[str, tuple[bool, bool, bool]] = {
    "quniform": (False, False, True),
    "qloguniform": (False, True, True),
    "normal": (True, False, False),
    "qnormal": (True, False, True),
    "lognormal": (True, True, False),
    "qlognormal": (True, True, True),
}
_SIGMAS = 6.0
_EXPONENT = 700.0  # of e; a float64 holds little more
_LEAST_KEPT = 0.5  # of the probability, where a distribution is truncated
_NEAR_STEPS = 5


def argument_names(form: str) -> tuple[str, ...]:
    """The members of an expression's document that are numbers."""
    normal, _, rounded = FORMS[form]
    return (*(("mu", "sigma") if normal else ("low", "high")), *(("q",) if rounded else ()))


@dataclass(frozen=True, slots=True)
class Expression:
    """``form`` with its arguments: ``a`` is low or mu, ``b`` is high or sigma, ``q`` the quantum of a rounded form.

    With a whole q the values are whole numbers (``kind`` integer), else floats.
    """

    name: str
    form: str
    a: float
    b: float
    q: float | None = None
    when: Condition | None = None
    nominal: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for member in ("a", "b", "q"):
            object.__setattr__(self, member, plain(getattr(self, member)))
        raise_faults(name_faults(self.name) + self._faults())

    def _faults(self) -> list[Fault]:
        if self.form not in FORMS:
            return [Fault("type", f"is {self.form!r}; use one of {', '.join(FORMS)}", "unknown")]
        normal, exponential, rounded = FORMS[self.form]
        first, second, *_ = argument_names(self.form)
        faults = number_faults({first: self.a, second: self.b} | ({} if self.q is None else {"q": self.q}))
        if rounded != (self.q is not None):
            message = "is missing; give the quantum, above 0" if rounded else f"is {self.q!r}; {self.form} has none"
            faults.append(Fault("q", message, "required" if rounded else "unknown"))
        if faults:
            return faults
        if self.q is not None and self.q <= 0:
            faults.append(Fault("q", f"is {self.q!r}; give a quantum above 0", "range"))
        if normal and self.b <= 0:
            faults.append(Fault("sigma", f"is {self.b!r}; give a standard deviation above 0", "range"))
        if not normal:
            faults += order_faults(self.a, self.b, ("low", "high"))
        if faults:
            return faults
        low, high = self._exponents()
        outside = exponential and (low < -_EXPONENT or high > _EXPONENT)
        if outside and normal and self._kept(-_EXPONENT, _EXPONENT) < _LEAST_KEPT:
            at = "mu" if abs(self.a) >= _EXPONENT else "sigma"
            message = (
                f"is {self.a if at == 'mu' else self.b:g}, an exponent of e: most values would lie beyond exp(700)"
            )
            faults.append(Fault(at, f"{message} or exp(-700); give one nearer to 0", "range"))
        elif outside and not normal:
            at = second if high > _EXPONENT else first
            message = f"makes exp({high:g})" if high > _EXPONENT else f"makes exp({low:g})"
            faults.append(Fault(at, f"{message}: exponents are of e, and must lie within -700 and 700", "range"))
        elif not math.isfinite(high - low):
            faults.append(Fault(second, "is too large; narrow the range", "range"))
        elif self.q is not None and self._kept(*self._held()) < _LEAST_KEPT:
            message = f"is {self.q!r}, too fine for this range: most values are beyond 2^53 times that"
            faults.append(Fault("q", f"{message}; give a larger one", "range"))
        return faults

    def _exponents(self) -> tuple[float, float]:
        """The ends of X before the exponential, wherever a float64 can hold the values."""
        spread = _SIGMAS * self.b
        return (self.a - spread, self.a + spread) if FORMS[self.form][0] else (self.a, self.b)

    def _held(self) -> tuple[float, float]:
        """The ends of X within which the values can be held: by a float64, and as multiples of q."""
        exponential = FORMS[self.form][1]
        most = math.inf if self.q is None else MAX_INTEGER * self.q
        if not exponential:
            return -most, most
        return -_EXPONENT, min(_EXPONENT, math.log(most) if most < math.inf else math.inf)

    def _probability(self, x: float) -> float:
        """The probability that X is less than ``x``, before it is truncated."""
        if FORMS[self.form][0]:
            return float(standard_normal.cdf(np.array([(x - self.a) / self.b]))[0])
        return float(x > self.a) if self.a == self.b else min(max((x - self.a) / (self.b - self.a), 0.0), 1.0)

    def _kept(self, low: float, high: float) -> float:
        """The probability of X within ``low`` to ``high``."""
        within = self.a == self.b and low <= self.a <= high
        return 1.0 if within else self._probability(high) - self._probability(low)

    def _cut(self) -> tuple[float, float, bool]:
        """The ends of X, and whether it is truncated to them."""
        low, high = self._exponents()
        least, most = self._held()
        return max(low, least), min(high, most), low < least or high > most

    def _ends(self) -> tuple[float, float]:
        low, high, _ = self._cut()
        return (math.exp(low), math.exp(high)) if FORMS[self.form][1] else (low, high)

    def _multiples(self, q: float) -> tuple[int, int]:
        """The least and greatest k of the values k * q."""
        low, high = self._ends()
        return round(low / q), round(high / q)

    @property
    def kind(self) -> str:
        return "integer" if self.q is not None and float(self.q).is_integer() else "float"

    @property
    def low(self) -> float:
        """The least value."""
        return self._ends()[0] if self.q is None else self._rung(self._multiples(self.q)[0])

    @property
    def high(self) -> float:
        """The greatest value."""
        return self._ends()[1] if self.q is None else self._rung(self._multiples(self.q)[1])

    @property
    def size(self) -> int | None:
        if self.q is None:
            return None
        low, high = self._multiples(self.q)
        return high - low + 1

    @property
    def digits(self) -> int:
        return DIGITS if self.q is not None else digits_within(*self._ends())

    @property
    def width(self) -> int:
        return 1

    def _rung(self, k: int) -> float:
        assert self.q is not None
        return k * int(self.q) if self.kind == "integer" else float(f"{k * self.q:.15g}")

    def _x(self, u: Floats) -> Floats:
        """X at cumulative probabilities ``u``."""
        normal, exponential, _ = FORMS[self.form]
        u = np.clip(u, 0.0, 1.0)
        low, high, truncated = self._cut()
        if normal and truncated:
            below, share = self._probability(low), self._kept(low, high)
            t: Floats = np.clip(self.a + self.b * standard_normal.quantile(below + u * share), low, high)
        elif normal:
            t = self.a + self.b * np.clip(standard_normal.quantile(u), -_SIGMAS, _SIGMAS)
        else:
            t = np.clip((1.0 - u) * low + u * high, low, high)
        return np.exp(t) if exponential else t

    def _u(self, x: Floats) -> Floats:
        """The cumulative probability of ``x``."""
        normal, exponential, _ = FORMS[self.form]
        low, high, truncated = self._cut()
        if exponential:
            x = np.log(np.maximum(x, 1e-320))
        if not normal and low == high:
            return np.full_like(x, 0.5)
        with np.errstate(over="ignore"):  # of a quantum over a range next to nothing; it is beyond the end
            standard = (x - self.a) / self.b if normal else (x - low) / (high - low)
        if not normal:
            return np.clip(standard, 0.0, 1.0)
        units = standard_normal.cdf(standard)
        if truncated:
            units = np.clip((units - self._probability(low)) / self._kept(low, high), 0.0, 1.0)
        return units

    def _centres(self, k: Floats) -> Floats:
        """The middles, in probability, of the cells of the values ``k`` * q."""
        assert self.q is not None
        middle: Floats = (self._u((k - 0.5) * self.q) + self._u((k + 0.5) * self.q)) / 2
        return middle

    def _k(self, u: Floats) -> Floats:
        assert self.q is not None
        return np.rint(self._x(u) / self.q)

    def encode(self, value: Value) -> float:
        return float(self.encode_all((value,))[0])

    def encode_all(self, values: Sequence[Value]) -> Floats:
        numbers = np.array(values, dtype=float)
        return self._u(numbers) if self.q is None else self._centres(np.rint(numbers / self.q))

    def decode(self, u: float) -> float:
        if self.q is not None:
            return self._rung(int(self._k(np.array([u]))[0]))
        value = float(self._x(np.array([u]))[0])
        # Nine digits of the range are finer than any training can tell, and short to read.
        low, high = self._ends()
        if low == high:
            return low
        scale = SCALES["log" if FORMS[self.form][1] else "linear"]
        return min(max(scale.short(value, high - low), low), high) + 0.0

    def snap(self, u: Floats) -> Floats:
        return np.clip(u, 0.0, 1.0) if self.q is None else self._centres(self._k(u))

    def features(self, u: Floats) -> Floats:
        return u[:, None]

    def grid(self, points: int) -> Iterator[Value]:
        """At most ``points`` values at even steps of probability, without the ends of a normal (one point: the median).

        A rounded form with at most ``points`` values gives all of them.
        """
        if self.q is not None:
            low, high = self._multiples(self.q)
            if high - low < points:
                yield from (self._rung(k) for k in range(low, high + 1))
                return
        # A normal has no ends to include: the middles of equal shares of probability stand for it.
        normal = FORMS[self.form][0]
        shares = [(i + 0.5) / points if normal or points == 1 else i / (points - 1) for i in range(points)]
        yield from dict.fromkeys(self.decode(share) for share in shares)

    def near(self, u: float) -> Floats:
        """Unit coordinates of the values next to the one at ``u``; none for a continuous one."""
        if self.q is None:
            return np.empty(0)
        low, high = self._multiples(self.q)
        k = int(self._k(np.array([u]))[0])
        steps = (k + sign * 2**power for power in range(_NEAR_STEPS) for sign in (-1, 1))
        return self._centres(np.array([float(step) for step in steps if low <= step <= high]))

    def problem_with(self, value: object) -> str | None:
        if not is_number(value):
            return f"{self.name} is {value!r}, not a number"
        low, high = self._possible()
        if not low <= value <= high:
            unbounded = FORMS[self.form][:2] == (True, True) and value <= high
            where = f"below {low:g}: a {self.form} has none there" if unbounded else f"outside {low:g} to {high:g}"
            return f"{self.name} is {value!r}, {where}"
        if self.q is not None and not is_multiple(value, self.q, value):
            return f"{self.name} is {value!r}, not a multiple of {self.q!r}"
        return None

    def _possible(self) -> tuple[float, float]:
        """The ends of what is a value at all: a normal has none but those of numbers."""
        normal, exponential, _ = FORMS[self.form]
        if not normal:
            return self.low, self.high
        most = sys.float_info.max if self.q is None else MAX_INTEGER * self.q
        least = -most if not exponential else sys.float_info.min if self.q is None else 0.0
        return min(least, self.low), max(most, self.high)

    def canonical(self, value: Value) -> Value:
        number = number_in(value)
        if number is None:
            return value
        if self.q is None:
            return float(number) + 0.0
        return number if self.problem_with(number) else self._rung(round(number / self.q))

    def to_json(self) -> dict[str, object]:
        document: dict[str, object] = {"name": self.name, "type": self.form}
        arguments = (self.a, self.b, self.q)
        document.update(zip(argument_names(self.form), arguments, strict=False))
        return document if self.when is None else {**document, "when": self.when.to_json()}
