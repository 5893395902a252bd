"""Interval arithmetic on constraints: what can be said of one before all of its hyperparameters have a value.

Moore, Interval analysis (1966). An interval is a pair (least, greatest); what is not calculated here, such as a
remainder, may be anything. Rounding is not accounted for: numbers that differ in the last digits only count as possibly
equal.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

Interval = tuple[float, float]

_ANYTHING: Interval = (-math.inf, math.inf)
_SLACK = 1e-9  # of the size of the numbers: more than rounding


def may_hold(node: ast.expr, ranges: Mapping[str, Interval], wanted: bool = True) -> bool:
    """Whether the truth ``node`` may be ``wanted`` for some values within ``ranges``, by identifier."""
    match node:
        case ast.UnaryOp(op=ast.Not()):
            return may_hold(node.operand, ranges, not wanted)
        case ast.BoolOp():
            parts = (may_hold(part, ranges, wanted) for part in node.values)
            return all(parts) if isinstance(node.op, ast.And) == wanted else any(parts)
        case ast.Compare() if wanted:
            ends = [_interval(part, ranges) for part in (node.left, *node.comparators)]
            return all(_may(op, *pair) for op, *pair in zip(node.ops, ends, ends[1:], strict=False))
    return True


def _may(op: ast.cmpop, left: Interval, right: Interval) -> bool:
    finite = [abs(end) for end in (*left, *right) if math.isfinite(end)]
    slack = _SLACK * max(finite, default=0.0)
    match op:
        case ast.Lt() | ast.LtE():
            return left[0] <= right[1] + slack
        case ast.Gt() | ast.GtE():
            return right[0] <= left[1] + slack
        case ast.Eq():
            return left[0] <= right[1] + slack and right[0] <= left[1] + slack
    return True


def _interval(node: ast.expr, ranges: Mapping[str, Interval]) -> Interval:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value), float(value)
        case ast.Name():
            return ranges[node.id]
        case ast.UnaryOp(op=ast.USub()):
            low, high = _interval(node.operand, ranges)
            return -high, -low
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow()):
            return _calculated(node.op, _interval(node.left, ranges), _interval(node.right, ranges))
        case ast.Call(func=ast.Name(id=name)):
            return _called(name, [_interval(argument, ranges) for argument in node.args])
    return _ANYTHING


def _calculated(op: ast.operator, left: Interval, right: Interval) -> Interval:
    match op:
        case ast.Add():
            found = (left[0] + right[0], left[1] + right[1])
        case ast.Sub():
            found = (left[0] - right[1], left[1] - right[0])
        case ast.Mult():
            found = _ends([a * b for a in left for b in right])
        case ast.Div() if not right[0] <= 0.0 <= right[1]:
            found = _ends([a / b for a in left for b in right])
        case ast.Pow() if right[0] == right[1]:
            found = _power(left, right[0])
        case _:
            return _ANYTHING
    return _ANYTHING if any(map(math.isnan, found)) else found


def _ends(found: list[float]) -> Interval:
    return _ANYTHING if any(map(math.isnan, found)) else (min(found), max(found))


def _power(base: Interval, exponent: float) -> Interval:
    """Of squares and other even powers the least is at 0; of what else may be below 0, nothing is said."""
    low, high = base
    if exponent > 0.0 and exponent % 2.0 == 0.0:
        low, high = _distance(base)
    if low < 0.0 or exponent <= 0.0:
        return _ANYTHING
    try:
        return math.pow(low, exponent), math.pow(high, exponent)
    except OverflowError:
        return _ANYTHING


def _distance(interval: Interval) -> Interval:
    """The interval of the absolute values."""
    low, high = interval
    return (0.0 if low <= 0.0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def _called(name: str, ends: list[Interval]) -> Interval:
    if name == "abs":
        return _distance(ends[0])
    choose = min if name == "min" else max
    return choose(low for low, _ in ends), choose(high for _, high in ends)
