import pytest
from django.apps import apps


@pytest.hookimpl(trylast=True)  # after tests/conftest.py has set Django up
def pytest_configure() -> None:
    """The fixtures of this folder become its conftest's: as a plugin's they would be there for all other folders, too,
    of which one has a `root` as well."""
    if apps.ready:  # under -n only in the workers
        from tests.web.api import kit

        people = {"root": kit.root, "alice": kit.alice, "bob": kit.bob, "vera": kit.vera, "charlie": kit.charlie}
        globals().update(people, world=kit.world, nobody=kit.nobody, fresh_store=kit.fresh_store)
