import pytest
from django.apps import apps


@pytest.hookimpl(trylast=True)  # after tests/conftest.py has set Django up
def pytest_configure(config: pytest.Config) -> None:
    if apps.ready:  # under -n only in the workers
        config.pluginmanager.import_plugin("tests.web.api.kit")
