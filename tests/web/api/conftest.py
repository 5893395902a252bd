import pytest


@pytest.hookimpl(trylast=True)  # after tests/conftest.py has set Django up
def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.web.api.kit")
