"""Shapes that many answers share. Serializers describe and write answers; requests are read by `tuning.documents`."""

from enum import StrEnum
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


def choices_of(values: type[StrEnum]) -> list[tuple[str, str]]:
    """An enumeration's values for a ChoiceField, in the form by which the schema recognises the enumeration."""
    return [(value.value, value.name) for value in values]


# A shape of an answer or of a request's document. No docstring, as it would describe every shape that has none.
class Shape(serializers.Serializer[Any]):
    pass


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string"}]})
class ValueField(serializers.JSONField):
    """A hyperparameter's value, or a number of a decision: a number or a text."""


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]})
class OptionField(serializers.JSONField):
    """An option's value: any plain value."""


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ObjectField(serializers.JSONField):
    """Some JSON object."""


class Keep(Shape):
    """Of which trials that are over the checkpoints and outputs are kept; the best one's always are. Whatever the rule,
    checkpoints stay as long as something may go on from them: of trials that were stopped with their job until that is
    completed or deleted, and of those that another job continues until it has begun."""

    best = serializers.IntegerField(required=False, help_text="So many by their objective: 1 if left out, at least 1.")
    last = serializers.IntegerField(required=False, help_text="So many that ended last; 1 if left out.")


class FaultShape(Shape):
    field = serializers.CharField(help_text="A JSON path in the request, such as `space[2].min`.")
    message = serializers.CharField(help_text="What was found there, and what to write instead.")
    code = serializers.CharField(help_text="A stable word for programs.")

    class Meta:
        ref_name = "Fault"


class Problem(Shape):
    """An error (RFC 9457)."""

    type = serializers.CharField(
        help_text="A stable word for programs, such as `invalid` (400) or `not-found` (404). What only exceeds limits, "
        "all its faults having the code `quota`, is `over-quota` (409); with other faults beside them it is `invalid`."
    )
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    faults = FaultShape(many=True, help_text="Every fault of the request, each with its field.")


class Health(Shape):
    status = serializers.ChoiceField(["ok"], help_text="The process answers and reaches its database.")
    workers = serializers.ChoiceField(
        ["ok", "stalled", "unknown"], help_text="Whether what trials and people tell them is taken up in time."
    )
    reason = serializers.CharField(allow_blank=True, help_text="Why they are not ok, and what to do.")
