"""Constraints between hyperparameters: comparisons of arithmetic, such as ``warmup < epochs / 2``.

The grammar is a small part of Python's, read with ``ast`` and evaluated here; nothing is ever executed:

    numbers, 'texts', names of hyperparameters (in backticks if they hold '-' or '.': `batch-size`),
    + - * / // % **, unary -, min(...), max(...), abs(...), < <= > >= == != (also chained), and, or, not, parentheses

A constraint that names an inactive hyperparameter holds. One whose arithmetic has no result (division by 0, overflow)
does not hold.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tuning.errors import Fault, InvalidSpec
from tuning.intervals import may_hold
from tuning.parameter_rules import MAX_INTEGER, Value

MAX_LENGTH = 500
MAX_NODES = 100

_Result = float | str | bool
_QUOTED = re.compile(r"`([^`]*)`")
_TEXT_OR_WORD = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?P<word>\w+)""")
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,  # unlike **, never complex and never a number of a million digits
}
_LEAST = 1e-300  # the shortfall of what is broken by nothing that can be measured, such as a < a
_EQUALITY: dict[type[ast.cmpop], Callable[[object, object], bool]] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
_ORDER: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "min": (min, 2, 20),
    "max": (max, 2, 20),
    "abs": (abs, 1, 1),
}


@dataclass(frozen=True)
class Constraint:
    """``text`` in its canonical form, which reads back to an equal constraint; ``names`` are those it speaks of.

    Raises:
        InvalidSpec: with one fault, whose field is "".
    """

    text: str
    names: frozenset[str] = field(init=False, compare=False)
    _tree: ast.expr = field(init=False, compare=False, repr=False)
    _quoted: Mapping[str, str] = field(init=False, compare=False, repr=False)
    _identifiers: Mapping[str, str] = field(init=False, compare=False, repr=False)  # in the tree, with their names

    def __post_init__(self) -> None:
        tree, quoted = _parsed(self.text)
        _require(_type(tree), "truth", tree, quoted)
        functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions]
        names = {node.id: quoted.get(node.id, node.id) for node in found}
        if not names:
            raise _invalid("names no hyperparameter; compare at least one, such as warmup < epochs / 2")
        object.__setattr__(self, "text", _written(tree, quoted))
        object.__setattr__(self, "names", frozenset(names.values()))
        object.__setattr__(self, "_identifiers", names)
        object.__setattr__(self, "_tree", tree)
        object.__setattr__(self, "_quoted", quoted)

    def holds(self, config: Mapping[str, Value]) -> bool:
        """Whether ``config`` satisfies it; True where a hyperparameter that it names is absent."""
        if any(name not in config for name in self.names):
            return True
        try:
            return bool(self._value(self._tree, config))
        except (ArithmeticError, ValueError):
            return False

    def shortfall(self, config: Mapping[str, Value]) -> float:
        """How much ``config`` lacks to satisfy it: 0 exactly where it holds, else the distance of what is compared.

        Of conjunctions the sum, of alternatives the least; infinite where the arithmetic has no result.
        """
        return 0.0 if self.holds(config) else max(self._lacks(self._tree, config, True), _LEAST)

    def possible(self, ranges: Mapping[str, tuple[float, float]]) -> bool:
        """False if it holds nowhere within ``ranges``; True also where that cannot be told.

        A hyperparameter with texts, or one that may be inactive, must not stand in ``ranges``.
        """
        return any(name not in ranges for name in self.names) or may_hold(
            self._tree, {identifier: ranges[name] for identifier, name in self._identifiers.items()}
        )

    def type_problem(self, texts: Mapping[str, bool]) -> str | None:
        """What is wrong with the use of names; ``texts`` says of each hyperparameter whether a value may be a text."""
        if unknown := sorted(self.names - texts.keys()):
            return f"names {', '.join(unknown)}, no hyperparameter of this space; it has {', '.join(texts)}"
        for node in ast.walk(self._tree):
            for operand in _numeric_operands(node):
                name = self._quoted.get(operand.id, operand.id) if isinstance(operand, ast.Name) else None
                if name is not None and texts[name]:
                    return f"calculates with {name}, which has texts as values; compare it by == or != only"
        return None

    def _value(self, node: ast.expr, config: Mapping[str, Value]) -> _Result:
        match node:
            case ast.Constant():
                return node.value if isinstance(node.value, str) else float(node.value)  # type: ignore[arg-type]
            case ast.Name():
                value = config[self._quoted.get(node.id, node.id)]
                return value if isinstance(value, str) else float(value)
            case ast.BinOp():
                return _ARITHMETIC[type(node.op)](self._number(node.left, config), self._number(node.right, config))
            case ast.UnaryOp():
                if isinstance(node.op, ast.Not):
                    return not self._value(node.operand, config)
                return -self._number(node.operand, config)
            case ast.BoolOp():
                decide = all if isinstance(node.op, ast.And) else any
                return decide(bool(self._value(part, config)) for part in node.values)
            case ast.Call(func=ast.Name(id=name)):
                return _FUNCTIONS[name][0](*(self._number(argument, config) for argument in node.args))
            case ast.Compare():
                return self._compared(node, config)
        raise AssertionError(node)  # _type lets nothing else in

    def _lacks(self, node: ast.expr, config: Mapping[str, Value], wanted: bool) -> float:
        """The shortfall of ``node`` to be ``wanted``."""
        match node:
            case ast.UnaryOp(op=ast.Not()):
                return self._lacks(node.operand, config, not wanted)
            case ast.BoolOp():
                parts = [self._lacks(part, config, wanted) for part in node.values]
                return sum(parts) if isinstance(node.op, ast.And) == wanted else min(parts)
            case ast.Compare():
                operands = [node.left, *node.comparators]
                links = zip(node.ops, operands, operands[1:], strict=False)
                parts = [self._gap(op, left, right, config, wanted) for op, left, right in links]
                return sum(parts) if wanted else min(parts)
        raise AssertionError(node)  # _type lets nothing else be a truth

    def _gap(self, op: ast.cmpop, left: ast.expr, right: ast.expr, config: Mapping[str, Value], wanted: bool) -> float:
        try:
            ends = (self._value(left, config), self._value(right, config))
            compare = _EQUALITY.get(type(op)) or _ORDER[type(op)]
            if compare(*ends) == wanted:  # type: ignore[arg-type]
                return 0.0
            return 1.0 if isinstance(ends[0], str) or isinstance(ends[1], str) else abs(ends[0] - ends[1]) or _LEAST
        except (ArithmeticError, ValueError, TypeError):
            return math.inf

    def _number(self, node: ast.expr, config: Mapping[str, Value]) -> float:
        value = self._value(node, config)
        if isinstance(value, str) or not math.isfinite(value):
            raise ValueError
        return value

    def _compared(self, node: ast.Compare, config: Mapping[str, Value]) -> bool:
        operands = [node.left, *node.comparators]
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            if type(op) in _EQUALITY:
                met = _EQUALITY[type(op)](self._value(left, config), self._value(right, config))
            else:
                met = _ORDER[type(op)](self._number(left, config), self._number(right, config))
            if not met:
                return False
        return True


def _invalid(message: str, code: str = "invalid") -> InvalidSpec:
    return InvalidSpec([Fault("", message, code)])


def _parsed(text: object) -> tuple[ast.expr, dict[str, str]]:
    """The tree, and the names that stood in backticks by the identifiers that stand for them in the tree."""
    if not isinstance(text, str):
        raise _invalid(f"is {text!r:.60}; give a text such as 'warmup < epochs / 2'", "type")
    if len(text) > MAX_LENGTH:
        raise _invalid(f"has {len(text)} characters; use at most {MAX_LENGTH}", "limit")
    quoted: dict[str, str] = {}

    def stand_in(name: str) -> str:
        return f" {quoted.setdefault(name, f'_quoted_{len(quoted)}')} "

    def kept(match: re.Match[str]) -> str:
        word = match["word"]
        return stand_in(word) if word and word.isidentifier() and _respelt(word) else match[0]

    readable = _QUOTED.sub(lambda match: stand_in(match[1]), text)
    readable = _TEXT_OR_WORD.sub(kept, readable).strip()
    try:
        tree = ast.parse(readable, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        detail = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise _invalid(f"is {text[:60]!r}, no comparison ({detail}); write one like warmup < epochs / 2") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise _invalid(f"has more than {MAX_NODES} parts; split it into several constraints", "limit")
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    if any(isinstance(value, str) and "_quoted_" in value for value in constants):
        raise _invalid("has a backtick inside a text; backticks stand around names only, as in `batch-size`")
    return tree, {identifier: name for name, identifier in quoted.items()}


def _respelt(name: str) -> bool:
    """Whether Python reads ``name`` as another one, as it does µ, which is no Greek letter."""
    return unicodedata.normalize("NFKC", name) != name


def _type(node: ast.expr) -> str:
    """number, text, truth, or name (number or text); refuses everything that the grammar does not hold."""
    match node:
        case ast.Constant(value=str()):
            return "text"
        case ast.Constant(value=value) if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not abs(value) <= MAX_INTEGER:
                raise _invalid("holds a number beyond 2^53; use a smaller one", "range")
            return "number"
        case ast.Name():
            return "name"
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            return _all(("number", "name"), "number", node.left, node.right)
        case ast.UnaryOp(op=ast.USub()):
            return _all(("number", "name"), "number", node.operand)
        case ast.UnaryOp(op=ast.Not()):
            return _all(("truth",), "truth", node.operand)
        case ast.BoolOp():
            return _all(("truth",), "truth", *node.values)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            _, least, most = _FUNCTIONS[name]
            if not least <= len(node.args) <= most:
                raise _invalid(f"gives {name} {len(node.args)} numbers; it takes {least} to {most}")
            return _all(("number", "name"), "number", *node.args)
        case ast.Compare() if all(type(op) in _ORDER or type(op) in _EQUALITY for op in node.ops):
            ordered = any(type(op) in _ORDER for op in node.ops)
            return _all(("number", "name", *(() if ordered else ("text",))), "truth", node.left, *node.comparators)
    raise _invalid(
        f"holds {ast.unparse(node)[:60]!r}, which constraints do not know; use numbers, texts, names, + - * / // % **, "
        "min, max, abs, comparisons, and, or, not"
    )


def _all(allowed: tuple[str, ...], result: str, *nodes: ast.expr) -> str:
    for node in nodes:
        _require(_type(node), allowed, node, {})
    return result


def _require(found: str, allowed: str | tuple[str, ...], node: ast.expr, quoted: Mapping[str, str]) -> None:
    if found not in ((allowed,) if isinstance(allowed, str) else allowed):
        what = "a comparison" if "truth" in allowed else "a number"
        kind = "a comparison" if found == "truth" else f"a {found}"
        raise _invalid(f"uses {_written(node, quoted)[:60]!r}, {kind}, where {what} must stand", "type")


def _numeric_operands(node: ast.AST) -> list[ast.expr]:
    """The operands of ``node`` that must be numbers."""
    match node:
        case ast.BinOp():
            return [node.left, node.right]
        case ast.UnaryOp(op=ast.USub()):
            return [node.operand]
        case ast.Call():
            return node.args
        case ast.Compare() if any(type(op) in _ORDER for op in node.ops):
            return [node.left, *node.comparators]
    return []


def _written(tree: ast.expr, quoted: Mapping[str, str]) -> str:
    text = ast.unparse(tree)
    for identifier, name in sorted(quoted.items(), reverse=True):  # _quoted_10 before _quoted_1
        plain = name.isidentifier() and not keyword.iskeyword(name) and not _respelt(name)
        text = text.replace(identifier, name if plain else f"`{name}`")
    return text
