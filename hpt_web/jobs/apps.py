from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "hpt_web.jobs"
    label = "jobs"

    def ready(self) -> None:
        from hpt_web import checks  # noqa: F401  they register themselves
        from hpt_web.catalog.quotas import count_also
        from hpt_web.jobs.sharing.stored import bytes_of_trials

        count_also(bytes_of_trials)
