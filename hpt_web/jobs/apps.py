from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "hpt_web.jobs"
    label = "jobs"

    def ready(self) -> None:
        from hpt_web import checks  # noqa: F401  they register themselves
