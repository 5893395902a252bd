"""What finished trials tell, as the API writes it: each answer has what was asked for, or a sentence why not (yet)."""

from rest_framework import serializers

from hpt_web.api.serializers.common import ObjectField, OptionField, Shape, ValueField
from hpt_web.jobs.search.analysis import MAX_SWEPT


def _unavailable() -> serializers.CharField:
    return serializers.CharField(
        allow_null=True, help_text="A sentence why there is no answer (yet); null if there is."
    )


class ParameterImportance(Shape):
    """Shares of the objective's variance, 0 to 1, each with its standard deviation."""

    name = serializers.CharField()
    mean = serializers.FloatField(help_text="What it does by itself.")
    std = serializers.FloatField()
    total_mean = serializers.FloatField(help_text="With all interactions that it takes part in.")
    total_std = serializers.FloatField()


class Importances(Shape):
    parameters = ParameterImportance(many=True, help_text="In the order of the space.")
    interactions = serializers.FloatField(help_text="The share that is none's alone.")
    trials = serializers.IntegerField(help_text="Learnt from.")
    failed = serializers.IntegerField(help_text="Without a value, left out.")
    explained = serializers.FloatField(help_text="The share of the variance that is predicted of unseen trials.")


class ImportanceAnswer(Shape):
    importance = Importances(allow_null=True)
    unavailable = _unavailable()


class NarrowedParameter(Shape):
    """One hyperparameter; `before` and `after` are as in a job's `space`, equal if it is kept as it is."""

    name = serializers.CharField()
    before = ObjectField()
    after = ObjectField()
    changed = serializers.BooleanField()
    kept = serializers.FloatField(help_text="The share of its axis, or of its values, that is searched on.")
    reason = serializers.CharField()
    numbers = serializers.DictField(child=ValueField())


class Narrowing(Shape):
    """Smaller ranges for a child job, and what they would have left out."""

    space = serializers.ListField(child=ObjectField(), help_text="For the child's document.")
    parameters = NarrowedParameter(many=True)
    good = serializers.ListField(
        child=serializers.IntegerField(), help_text="Numbers of the trials that count as good."
    )
    trials = serializers.IntegerField(help_text="With a result.")
    excluded = serializers.IntegerField(help_text="Of those, outside the new ranges.")
    best_excluded = serializers.FloatField(allow_null=True, help_text="The best value among the excluded ones.")
    volume = serializers.FloatField(help_text="The share of the whole space that is left.")


class NarrowingAnswer(Shape):
    narrowing = Narrowing(allow_null=True)
    unavailable = _unavailable()


class MarginalGain(Shape):
    """The cost of an improvement from `best` to `target`, with 80 % of its estimates from low to high.

    Null trials and hours are beyond what anybody would wait for; all hours are null where durations are not known.
    """

    best = serializers.FloatField()
    target = serializers.FloatField()
    trials = serializers.FloatField(allow_null=True)
    trials_low = serializers.FloatField(allow_null=True)
    trials_high = serializers.FloatField(allow_null=True)
    hours = serializers.FloatField(allow_null=True, help_text="Of trials, on all places together.")
    hours_low = serializers.FloatField(allow_null=True)
    hours_high = serializers.FloatField(allow_null=True)
    chance_in_10 = serializers.FloatField(help_text="That one of the next ten trials reaches the target.")
    reason = serializers.CharField()


class MarginalGainAnswer(Shape):
    marginal_gain = MarginalGain(allow_null=True)
    unavailable = _unavailable()


class PolicyChoice(Shape):
    name = serializers.CharField()
    options = serializers.DictField(child=OptionField(allow_null=True), required=False)


class Sweep(Shape):
    option = serializers.CharField(help_text="An option of the policy.")
    values = serializers.ListField(
        child=OptionField(allow_null=True), help_text=f"What it is to be, one after the other: 1 to {MAX_SWEPT} values."
    )


class ReplayDocument(Shape):
    policy = PolicyChoice()
    sweep = Sweep(required=False, allow_null=True)


class ReplayedTrial(Shape):
    number = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True)


class StoppedTrial(Shape):
    """A trial that the policy stops at its `report`-th report, which was of `step`."""

    number = serializers.IntegerField()
    report = serializers.IntegerField()
    step = serializers.IntegerField()
    reason = serializers.CharField()
    numbers = serializers.DictField(child=ValueField())
    value = serializers.FloatField(help_text="What it had reported then.")
    final = serializers.FloatField(allow_null=True, help_text="Its result as it was.")
    saved_steps = serializers.IntegerField()
    saved_seconds = serializers.FloatField(allow_null=True)


class ReplaySummary(Shape):
    """What the policy would have saved of `steps` and `seconds`, and lost."""

    trials = serializers.IntegerField(help_text="That reported.")
    stops = serializers.IntegerField(help_text="How many of them are stopped.")
    steps = serializers.IntegerField()
    saved_steps = serializers.IntegerField()
    saved_share = serializers.FloatField(help_text="Of the steps, 0 to 1.")
    seconds = serializers.FloatField(allow_null=True, help_text="Null where times are not known.")
    saved_seconds = serializers.FloatField(allow_null=True)
    best = ReplayedTrial(allow_null=True, help_text="The best trial as it was.")
    kept = ReplayedTrial(allow_null=True, help_text="The best one under the policy.")
    regret = serializers.FloatField(help_text="By how much the kept one is worse.")
    cut_short = serializers.IntegerField(
        help_text="Trials that were stopped early when they ran: what they would have become is not known."
    )
    timed = serializers.BooleanField(help_text="Reports are played in the order in which they came.")


class ReplayOutcome(ReplaySummary):
    """With every trial that the policy stops."""

    stopped = StoppedTrial(many=True)


class SweptValue(Shape):
    value = OptionField(allow_null=True)
    outcome = ReplaySummary()


class ReplayAnswer(Shape):
    """`replay` of the policy, or `sweep` with its outcome for each value."""

    replay = ReplayOutcome(allow_null=True)
    sweep = SweptValue(many=True, allow_null=True)
    unavailable = _unavailable()
