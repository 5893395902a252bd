from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "hpt_web.accounts"
    label = "accounts"
