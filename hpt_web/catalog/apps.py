from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "hpt_web.catalog"
    label = "catalog"
