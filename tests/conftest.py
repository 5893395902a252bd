"""What every test run has: Django on a real PostgreSQL and Valkey, unless only Django-free tests were asked for.

`pytest tests/tuning` starts nothing. Otherwise pytest's main process starts PostgreSQL once; under `-n` each worker has
its own database in it (pytest-django names it after the worker), its own Valkey and its own HPT_HOME. The e2e and fault
tests start the whole service themselves (tests/service.py) and run in an invocation of their own, as Playwright
and pytest-asyncio cannot share one.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Folders whose tests need no server at all, or start the whole service by themselves.
WITHOUT_SERVERS = ("tuning", "figures", "embedded", "containers", "faults", "e2e")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.help or not _asks_for_servers(config):
        return
    from tests import servers

    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        folder = servers.RunFolder()
        config.add_cleanup(folder.remove)
        database = servers.start_postgres(folder.path)
        config.add_cleanup(database.stop)
        os.environ |= {"HPT_TEST_RUN": str(folder.path), "DATABASE_URL": database.url}
        if getattr(config.option, "tx", None):  # -n: only the workers, which inherit these, run tests
            return
    home = Path(os.environ["HPT_TEST_RUN"]) / (worker or "main")
    home.mkdir(mode=0o700, exist_ok=True)
    broker = servers.start_valkey(home)
    config.add_cleanup(broker.stop)
    os.environ |= {"HPT_HOME": str(home), "REDIS_URL": broker.url, "DJANGO_SETTINGS_MODULE": "hpt_web.settings"}

    import django

    django.setup()


def _asks_for_servers(config: pytest.Config) -> bool:
    """Whether any of the asked-for paths can hold a test that needs them."""
    tests = ROOT / "tests"
    free = [tests / name for name in WITHOUT_SERVERS]
    asked = [(config.invocation_params.dir / argument.split("::")[0]).resolve() for argument in config.args]
    return not all(any(path.is_relative_to(folder) for folder in free) for path in asked)


@pytest.fixture(autouse=True)
def _empty_queue() -> Iterator[None]:
    """No test sees messages, cache entries or locks of the one before it."""
    yield
    if os.environ.get("HPT_TEST_RUN"):
        import redis

        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            client.flushall()
