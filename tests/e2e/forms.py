"""How a person uses the forms."""

import re

from playwright.sync_api import Locator, Page


def choose(at: Page | Locator, label: str, option: str) -> None:
    """Open a selection by its label and take the option of that text, or the one that begins with it and a colon."""
    at.get_by_role("combobox", name=label, exact=True).click()
    page = at if isinstance(at, Page) else at.page
    named = re.compile(rf"^{re.escape(option)}($| ?:)")
    page.get_by_role("option", name=named).locator("visible=true").first.click()


def chosen(at: Page | Locator, label: str) -> Locator:
    return at.get_by_role("combobox", name=label, exact=True)
