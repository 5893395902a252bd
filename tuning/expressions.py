"""HyperDrive's parameter expressions that are no plain range: rounded and normal ones (F35, F36).

With X = uniform(low, high) or normal(mu, sigma), where loguniform and lognormal are exp(X) (so that their bounds, mu
and sigma are natural-log exponents), the q expressions are round(X / q) * q; round is to the nearest, halves to even.
The others are plain kinds under another name (space_document.py): choice is Categorical, randint(upper) is Integer 0
to upper - 1, uniform is Float, loguniform is Float on a log scale from exp(low) to exp(high).

A unit coordinate u is the cumulative probability of X, so that uniform units have exactly these distributions. Normal
ones end at 6 standard deviations, beyond which lies one value in 500 million.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tuning import normal as standard_normal
from tuning.errors import Fault
from tuning.parameter_rules import (
    MAX_INTEGER,
    Condition,
    Value,
    is_multiple,
    is_number,
    name_faults,
    number_faults,
    number_in,
    order_faults,
    raise_faults,
)
from tuning.scales import Floats

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
        if exponential and not (low >= -700 and high <= 700):
            at = second if high > 700 else first
            message = f"makes exp({high:g})" if high > 700 else f"makes exp({low:g})"
            faults.append(Fault(at, f"{message}: exponents are of e, and must lie within -700 and 700", "range"))
        elif not math.isfinite(high - low):
            faults.append(Fault(second, "is too large; narrow the range", "range"))
        elif self.q is not None and max(abs(end) for end in self._ends()) / self.q > MAX_INTEGER:
            faults.append(Fault("q", f"is {self.q!r}, too fine for this range; give a larger one", "range"))
        return faults

    def _exponents(self) -> tuple[float, float]:
        """The ends of X before the exponential."""
        spread = _SIGMAS * self.b
        return (self.a - spread, self.a + spread) if FORMS[self.form][0] else (self.a, self.b)

    def _ends(self) -> tuple[float, float]:
        low, high = self._exponents()
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
    def width(self) -> int:
        return 1

    def _rung(self, k: int) -> float:
        assert self.q is not None
        return k * int(self.q) if self.kind == "integer" else float(f"{k * self.q:.15g}")

    def _x(self, u: Floats) -> Floats:
        """X at cumulative probabilities ``u``."""
        normal, exponential, _ = FORMS[self.form]
        u = np.clip(u, 0.0, 1.0)
        low, high = self._exponents()
        if normal:
            t: Floats = self.a + self.b * np.clip(standard_normal.quantile(u), -_SIGMAS, _SIGMAS)
        else:
            t = np.clip((1.0 - u) * low + u * high, low, high)
        return np.exp(t) if exponential else t

    def _u(self, x: Floats) -> Floats:
        """The cumulative probability of ``x``."""
        normal, exponential, _ = FORMS[self.form]
        low, high = self._exponents()
        if exponential:
            x = np.log(np.maximum(x, 1e-320))
        if normal:
            return standard_normal.cdf((x - self.a) / self.b)
        return np.full_like(x, 0.5) if low == high else np.clip((x - low) / (high - low), 0.0, 1.0)

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
        digits = 8 - math.floor(math.log10(high - low))
        short = float(f"{value:.9g}") if FORMS[self.form][1] else round(value, digits)
        return min(max(short, low), high)

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
        if not self.low <= value <= self.high:
            return f"{self.name} is {value!r}, outside {self.low:g} to {self.high:g}"
        if self.q is not None and not is_multiple(value, self.q, value):
            return f"{self.name} is {value!r}, not a multiple of {self.q!r}"
        return None

    def canonical(self, value: Value) -> Value:
        number = number_in(value)
        if number is None:
            return value
        if self.q is None:
            return float(number)
        return number if self.problem_with(number) else self._rung(round(number / self.q))

    def to_json(self) -> dict[str, object]:
        document: dict[str, object] = {"name": self.name, "type": self.form}
        arguments = (self.a, self.b, self.q)
        document.update(zip(argument_names(self.form), arguments, strict=False))
        return document if self.when is None else {**document, "when": self.when.to_json()}
