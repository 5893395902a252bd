"""What trials run on, as the API writes it."""

from rest_framework import serializers

from hpt_web.api.serializers.common import Shape
from hpt_web.pulse import KINDS


class Gpu(Shape):
    id = serializers.CharField(help_text="Its UUID or number, as NVIDIA's driver names it.")
    name = serializers.CharField(allow_blank=True)
    memory_bytes = serializers.IntegerField()
    busy = serializers.FloatField(
        allow_null=True, help_text="The part of the last moment in which it computed, 0 to 1; null if it does not tell."
    )
    used_bytes = serializers.IntegerField(allow_null=True, help_text="Of its memory, by whomever.")


class Machine(Shape):
    processors = serializers.IntegerField()
    load = serializers.FloatField(help_text="Processes that compute or wait for the disk, in the last minute.")
    memory_bytes = serializers.IntegerField(allow_null=True)
    memory_used_bytes = serializers.IntegerField(allow_null=True)
    disk_bytes = serializers.IntegerField(help_text="Of the disk on which HPT_HOME is.")
    disk_used_bytes = serializers.IntegerField()


class TrialOnHost(Shape):
    """A trial that runs here, with what it used when it was last looked at; null before that."""

    project = serializers.CharField()
    job = serializers.CharField()
    trial = serializers.IntegerField()
    user = serializers.CharField()
    where = serializers.CharField(help_text="As a `process` or in a `container`.")
    devices = serializers.ListField(child=serializers.CharField(), help_text="The ids of its GPUs.")
    since = serializers.DateTimeField()
    cpus = serializers.FloatField(allow_null=True, help_text="Processors in use.")
    memory_bytes = serializers.IntegerField(allow_null=True)
    gpu_busy = serializers.FloatField(allow_null=True, help_text="Its GPUs on the average, 0 to 1.")
    gpu_memory_bytes = serializers.IntegerField(allow_null=True)


class Minutes(Shape):
    """What all trials together used, as columns: an entry for each full minute in which something was measured."""

    times = serializers.ListField(child=serializers.FloatField(), help_text="Its beginning, in seconds since 1970.")
    cpus = serializers.ListField(child=serializers.FloatField())
    memory_bytes = serializers.ListField(child=serializers.FloatField())
    gpus = serializers.ListField(child=serializers.FloatField(), help_text="So many were busy.")
    gpu_memory_bytes = serializers.ListField(child=serializers.FloatField())


class Image(Shape):
    name = serializers.CharField()
    bytes = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class Process(Shape):
    part = serializers.ChoiceField(KINDS, source="kind")
    host = serializers.CharField()
    pid = serializers.IntegerField()
    silent_seconds = serializers.FloatField(help_text="Since it was heard of.")
    late = serializers.BooleanField(help_text="It hangs, or is gone.")


class Host(Shape):
    """What trials run on."""

    slots = serializers.IntegerField(help_text="Trials that run at once.")
    engine = serializers.CharField(allow_null=True, help_text="The container engine; null: none.")
    concerns = serializers.ListField(
        child=serializers.CharField(), help_text="What is wrong with the engine, each with what to do about it."
    )
    base_image = serializers.CharField(allow_null=True, help_text="Of scripts in containers that name none.")
    gpus = Gpu(many=True)
    machine = Machine()
    trials = TrialOnHost(many=True, help_text="That run here, the oldest first.")
    last_hour = Minutes()
    images = Image(many=True, allow_null=True, help_text="The engine's newest; null if there is none to ask.")
    processes = Process(many=True, allow_null=True, help_text="Of the service; null while the broker is away.")
    stalled = serializers.CharField(allow_blank=True, help_text="Why the workers advance nothing; empty if they do.")
