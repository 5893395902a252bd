from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "hpt_web.api"
    label = "api"
