"""Asking for trials that run elsewhere, and telling of them, as the API writes it."""

from rest_framework import serializers

from hpt_web.api.serializers.common import Shape, ValueField, choices_of
from hpt_web.jobs.doors.external import LONGEST_FAILURE, LONGEST_KEY, MAX_POINTS
from tuning.states import JobState


class AskDocument(Shape):
    n = serializers.IntegerField(required=False, help_text="How many trials at most; 1 if left out.")
    request = serializers.CharField(
        required=False,
        help_text=f"A key of your own, at most {LONGEST_KEY} characters: the same key gets the same trials again.",
    )


class HandedOutTrial(Shape):
    """A trial to run."""

    number = serializers.IntegerField()
    attempt = serializers.IntegerField(help_text="To be given back with each report and when it is told of.")
    hyperparameters = serializers.DictField(child=ValueField(), help_text="The searched and the static ones.")
    reason = serializers.CharField(help_text="Why this point, or why it goes on.")
    numbers = serializers.DictField(child=ValueField())
    resume = serializers.BooleanField(help_text="It was paused: go on from the checkpoint that was written then.")


class AskedTrials(Shape):
    """What can be run now. No trials and no `wait`: the job is over."""

    trials = HandedOutTrial(many=True)
    wait = serializers.CharField(allow_null=True, help_text="Why these are fewer than asked for, if more may come.")
    state = serializers.ChoiceField(choices_of(JobState), help_text="The job's.")


class ReportedPoint(Shape):
    value = serializers.FloatField()
    step = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="Such as the epoch; the next one if left out. A step that is not ahead of the last is left out.",
    )


class ReportDocument(Shape):
    attempt = serializers.IntegerField()
    points = ReportedPoint(many=True, help_text=f"In their order, at most {MAX_POINTS}.")
    metric = serializers.CharField(required=False, help_text="The objective if left out.")


class ReportAnswer(Shape):
    """Whether the trial is to stop, and why (also why not)."""

    stop = serializers.BooleanField(help_text="Stop now, then tell.")
    pause = serializers.BooleanField(
        help_text="With stop: write a checkpoint first, as the trial may be handed out again with resume."
    )
    reason = serializers.CharField()
    numbers = serializers.DictField(child=ValueField())
    stored = serializers.IntegerField(help_text="How many of the points were new.")


class TellDocument(Shape):
    attempt = serializers.IntegerField()
    value = serializers.FloatField(
        required=False, allow_null=True, help_text="Its objective; the last one reported if left out."
    )
    failure = serializers.CharField(
        required=False, help_text=f"Why it has none, in at most {LONGEST_FAILURE} characters; in place of a value."
    )
