"""The schema of the space's document and its reader agree, as far as a schema can tell."""

import json

import jsonschema
import pytest
from hypothesis import given

from tests.tuning import test_conditions, test_expressions, test_space
from tests.tuning.space_generators import spaces
from tests.tuning.strategy_suite import SPACES
from tuning.errors import InvalidSpec
from tuning.space import SearchSpace
from tuning.space_document import KINDS
from tuning.space_schema import space_schema

SCHEMA = jsonschema.Draft202012Validator(space_schema())

# What concerns several members at once, or the meaning of a text.
BEYOND = {
    "same name", "min above max", "too wide", "log of zero", "step beyond the range", "values alike",
    "control character", "infinite", "not a number",
}  # fmt: skip


def accepted(document):
    try:
        SearchSpace.from_json(document)
    except InvalidSpec:
        return False
    return True


def test_it_is_a_schema_that_goes_through_json():
    jsonschema.Draft202012Validator.check_schema(space_schema())
    assert json.loads(json.dumps(space_schema())) == space_schema()


def test_it_knows_every_type():
    kinds = space_schema()["$defs"].keys() - {"parameters"}
    assert kinds == KINDS.keys()
    for kind, (members, _, _) in KINDS.items():
        assert space_schema()["$defs"][kind]["properties"].keys() == {"name", "type", "when", *members}


@given(spaces())
def test_what_is_written_is_accepted(space):
    SCHEMA.validate(space.document())


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_whole_documents_are_accepted(space):
    SCHEMA.validate(space.document())


@pytest.mark.parametrize("document", [document for document, _ in test_expressions.CANONICAL])
def test_expressions_are_accepted(document):
    assert accepted([{"name": "x", **document}])
    SCHEMA.validate([{"name": "x", **document}])


@pytest.mark.parametrize(
    ("document", "beyond"),
    [(document, title in BEYOND) for title, document, _ in test_space.BAD],
    ids=[title for title, _, _ in test_space.BAD],
)
def test_what_the_reader_refuses_is_refused(document, beyond):
    assert not accepted(document)
    assert SCHEMA.is_valid(document) is beyond


@pytest.mark.parametrize(("document", "field", "code"), test_expressions.BAD)
def test_expressions_of_wrong_form_are_refused(document, field, code):
    """Ranges and limits may lie beyond a schema; types, missing and unknown members may not."""
    refused = not SCHEMA.is_valid([{"name": "x", **document}])
    assert refused or code in ("range", "limit") or "range" in document


@pytest.mark.parametrize(
    "document",
    [
        [{"name": "b", "type": "float", "min": 0, "max": 1, "when": "a"}],
        [{"name": "b", "type": "float", "min": 0, "max": 1, "when": {"parameter": "a"}}],
        {"parameters": [{"name": "b", "type": "float", "min": 0, "max": 1}], "constraints": "b < 1"},
        {"constraints": ["b < 1"]},
        {"parameters": [{"name": "b", "type": "float", "min": 0, "max": 1}], "bounds": 1},
    ],
)
def test_wrong_conditions_and_constraints_are_refused(document):
    assert not accepted(document)
    assert not SCHEMA.is_valid(document)


def test_it_never_refuses_what_the_reader_accepts():
    for rows in (test_conditions.A, test_conditions.B):
        SCHEMA.validate([rows])
    for extra in ({"when": None}, {"step": None}, {"scale": "auto"}):
        document = [{**test_conditions.B, **extra}]
        assert accepted(document)
        SCHEMA.validate(document)


@pytest.mark.parametrize(
    ("members", "right"),
    [
        ({"range": None, "values": [1, 2]}, True),
        ({"range": [3]}, True),
        ({"range": None}, False),
        ({"range": [3], "values": [1, 2]}, False),
        ({"range": [3], "values": None}, False),
    ],
)
def test_a_choice_has_values_or_a_range(members, right):
    document = [{"name": "x", "type": "choice", **members}]
    assert accepted(document) is SCHEMA.is_valid(document) is right
