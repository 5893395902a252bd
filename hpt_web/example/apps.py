from django.apps import AppConfig


class ExampleConfig(AppConfig):
    name = "hpt_web.example"
    label = "example"
