from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    """No tables: only the management commands that start the service."""

    name = "hpt_web.embedded"
    label = "embedded"
