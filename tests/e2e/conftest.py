"""A real Chromium on the real service: one of each for the whole run, a fresh browser profile for each test.

Every page must be silent: a warning or error on its console, an exception or a refused request fails the test, unless
the test says beforehand which one it provokes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
    expect,
    sync_playwright,
)

from hpt_web.embedded import home
from tests.e2e.people import PASSWORD, Person, make_people
from tests.service import Service

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Generous, as other tests keep the machine busy; nothing waits longer than it must.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    assert (home.REPOSITORY / "frontend/dist/index.html").is_file(), "The page is not built; run: make frontend"
    running = Service(tmp_path_factory.mktemp("e2e") / "home", example=False).start()
    try:
        make_people(running)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def alice(service: Service) -> Person:
    return Person(service, "alice")


@pytest.fixture(scope="session")
def lab(alice: Person) -> str:
    """alice's project with two finished jobs, the second warm-started from the first; bob may read it. Not changed."""
    alice.make_project("lab")
    alice.make_job("lab", "first", trials=8)
    alice.wait_for_job("lab", "first")
    parents = {"type": "IDENTICAL_DATA_AND_ALGORITHM", "parents": ["first"]}
    alice.make_job("lab", "second", trials=5, warm_start=parents)
    alice.wait_for_job("lab", "second")
    return "lab"


@pytest.fixture
def project(alice: Person, request: pytest.FixtureRequest) -> str:
    """A project of this test alone, in which bob is an editor."""
    slug = "t-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].strip("-")
    alice.make_project(slug, bob="editor")
    return slug


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "The browser tests need Chromium. On Debian: sudo apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


class Console:
    """What a page said that it should not have; `allow` names what a test provokes on purpose."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._allowed: list[str] = []

    def allow(self, pattern: str) -> None:
        self._allowed.append(pattern)

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._message)
        context.on("weberror", lambda error: self._said.append(f"exception: {error.error}"))
        context.on("response", self._response)

    def _message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._said.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self._said.append(f"answer {response.status}: {response.request.method} {response.url}")

    def heard(self) -> list[str]:
        return [line for line in self._said if not any(re.search(pattern, line) for pattern in self._allowed)]


@pytest.fixture
def console() -> Iterator[Console]:
    own = Console()
    yield own
    assert own.heard() == []


@pytest.fixture
def context(browser: Browser, service: Service, console: Console) -> Iterator[BrowserContext]:
    made = browser.new_context(
        base_url=service.url, viewport={"width": 1440, "height": 900}, timezone_id="Europe/Athens"
    )
    made.set_default_timeout(PATIENCE_MS)
    console.watch(made)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of nobody; `sign_in` makes it somebody's."""
    return context.new_page()


@pytest.fixture
def sign_in(context: BrowserContext) -> Any:
    """sign_in("alice") gives her page without going through the form."""

    def enter(name: str) -> Page:
        open_session(context, name)
        return context.new_page()

    return enter


def open_session(context: BrowserContext, name: str) -> None:
    context.request.get("/api/v1/session")
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "csrftoken")
    login = {"username": name, "password": PASSWORD}
    answer = context.request.post("/api/v1/session", data=login, headers={"X-CSRFToken": token})
    assert answer.ok, answer.text()
