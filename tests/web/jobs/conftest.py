import pytest
from django.apps import apps


@pytest.hookimpl(trylast=True)  # after tests/conftest.py has set Django up, which it does only where tests run
def pytest_configure(config: pytest.Config) -> None:
    if apps.ready:
        config.pluginmanager.import_plugin("tests.web.jobs.lab")
        config.pluginmanager.import_plugin("tests.web.jobs.elsewhere")
