from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "hpt_web.jobs"
    label = "jobs"
