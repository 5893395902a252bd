import pytest
from django.apps import apps


@pytest.hookimpl(trylast=True)  # after tests/conftest.py has set Django up, which it does only where tests run
def pytest_configure() -> None:
    """The fixtures of this folder become its conftest's: as a plugin's they would be there for all other folders, too,
    of which one has a `root` as well."""
    if apps.ready:
        from tests.web.jobs import elsewhere, lab

        globals().update(elsewhere=elsewhere.elsewhere, team=lab.team, root=lab.root)
        globals().update(backend=lab.backend, follower=lab.follower, new_job=lab.new_job)
