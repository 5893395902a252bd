"""The JSON schema of a search space's document, for editors, forms and other programs.

It says what can be said of one member at a time. What concerns several at once (min at most max, names used once, a
condition on what stands before, satisfiable constraints) only ``SearchSpace.from_json`` can tell.
"""

from __future__ import annotations

from tuning.constraints import MAX_LENGTH
from tuning.expressions import FORMS, argument_names
from tuning.parameter_rules import MAX_INTEGER, MAX_NAME, MAX_TEXT, MAX_VALUES
from tuning.scales import SCALE_NAMES
from tuning.space_rules import MAX_PARAMETERS

Schema = dict[str, object]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER: Schema = {"type": "number"}
_WHOLE: Schema = {"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER}
_POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
_EXPONENT: Schema = {"type": "number", "minimum": -700, "maximum": 700}
_VALUES: Schema = {
    "description": "Each once: 1, 1.0 and '1' are the same to a script, which no schema can say.",
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_VALUES,
    "uniqueItems": True,
    "items": {"anyOf": [{"type": "string", "maxLength": MAX_TEXT}, {"type": "number"}]},
}
# Looser than the reader: what a letter is differs between dialects of regular expressions; none may be refused here.
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": r"^[^\s.\-]\S*$"}
_WHEN: Schema = {
    "description": "Active only while another hyperparameter, listed before, has one of these values.",
    "type": ["object", "null"],
    "properties": {"parameter": {"type": "string", "minLength": 1}, "in": _VALUES},
    "required": ["parameter", "in"],
    "additionalProperties": False,
}


def space_schema() -> Schema:
    """The schema (draft 2020-12) of what ``SearchSpace.from_json`` reads: a list, or an object with constraints."""
    parameters: Schema = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_PARAMETERS,
        "items": {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in _kinds()]},
    }
    constraint: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}
    whole: Schema = {
        "type": "object",
        "properties": {
            "parameters": {"$ref": "#/$defs/parameters"},
            "constraints": {"type": "array", "maxItems": MAX_PARAMETERS, "items": constraint},
        },
        "required": ["parameters"],
        "additionalProperties": False,
    }
    return {
        "$schema": DIALECT,
        "title": "Search space",
        "oneOf": [{"$ref": "#/$defs/parameters"}, whole],
        "$defs": {"parameters": parameters, **_kinds()},
    }


def _kinds() -> dict[str, Schema]:
    """The schema of each type of hyperparameter."""
    scale: Schema = {"enum": list(SCALE_NAMES), "default": "linear"}
    whole_scale: Schema = {"enum": [name for name in SCALE_NAMES if name != "reverse-log"], "default": "linear"}
    ordered: Schema = {"type": "boolean", "default": False}
    step: Schema = {"type": ["number", "null"], "exclusiveMinimum": 0}
    whole_step: Schema = {"type": ["integer", "null"], "minimum": 1}
    range_: Schema = {"type": ["array", "null"], "minItems": 1, "maxItems": 3, "items": {"type": "integer"}}
    choice = _object("choice", {}, {"values": _VALUES, "range": range_, "ordered": ordered})
    choice["oneOf"] = [
        {"required": ["values"], "properties": {"range": {"type": "null"}}},
        {"required": ["range"], "properties": {"range": {"type": "array"}, "values": False}},
    ]
    return {
        "float": _object("float", {"min": _NUMBER, "max": _NUMBER}, {"scale": scale, "step": step}),
        "integer": _object("integer", {"min": _WHOLE, "max": _WHOLE}, {"scale": whole_scale, "step": whole_step}),
        "categorical": _object("categorical", {"values": _VALUES}, {"ordered": ordered}),
        "choice": choice,
        "randint": _object("randint", {"upper": {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER}}, {}),
        "uniform": _object("uniform", {"low": _NUMBER, "high": _NUMBER}, {}),
        "loguniform": _object("loguniform", {"low": _EXPONENT, "high": _EXPONENT}, {}),
        **{form: _expression(form) for form in FORMS},
    }


def _expression(form: str) -> Schema:
    _, exponential, _ = FORMS[form]
    any_number = _EXPONENT if exponential else _NUMBER
    members = {name: _POSITIVE if name in ("sigma", "q") else any_number for name in argument_names(form)}
    return _object(form, members, {})


def _object(kind: str, required: dict[str, Schema], optional: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": {"name": _NAME, "type": {"const": kind}, "when": _WHEN, **required, **optional},
        "required": ["name", "type", *required],
        "additionalProperties": False,
    }
