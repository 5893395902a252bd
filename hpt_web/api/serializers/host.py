"""What trials run on, as the API writes it."""

from rest_framework import serializers

from hpt_web.api.serializers.common import Shape


class Gpu(Shape):
    id = serializers.CharField(help_text="Its UUID or number, as NVIDIA's driver names it.")
    name = serializers.CharField()
    memory_bytes = serializers.IntegerField()


class Host(Shape):
    """What trials run on."""

    slots = serializers.IntegerField(help_text="Trials that run at once.")
    engine = serializers.CharField(allow_null=True, help_text="The container engine; null: none.")
    concerns = serializers.ListField(
        child=serializers.CharField(), help_text="What is wrong with the engine, each with what to do about it."
    )
    base_image = serializers.CharField(allow_null=True, help_text="Of scripts in containers that name none.")
    gpus = Gpu(many=True)
