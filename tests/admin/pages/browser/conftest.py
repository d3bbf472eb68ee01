"""Provide a browser on the operator's page, with the demo's attack in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.address_file import write
from tests.admin.api import WRITE
from tests.admin.pages.browser.page import Page
from tests.admin.pages.scene import app_of, begin_campaign, play
from tests.admin.pages.served import served
from tests.chromium import chromium_with
from tests.operations.worker import Worker

NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective}: ${event.blockedURI}`));
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """Play the attack, and a campaign beside it, where countries are known."""
    path = write(tmp_path_factory.mktemp("countries") / "countries.mmdb")
    worker = play(300.0, 60.0, country_file=str(path))
    begin_campaign(worker)
    return worker


@pytest.fixture(scope="module")
def origin(worker: Worker) -> Iterator[str]:
    """Serve the page on it."""
    with served(app_of(worker)) as origin:
        yield origin


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Start a headless Chromium with an empty profile that notes violations of a policy."""
    with chromium_with(tmp_path_factory.mktemp("chromium")) as driver:
        source = {"source": NOTE_VIOLATIONS}
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
        yield driver


@pytest.fixture
def page(chromium: Chrome, origin: str) -> Page:
    """Sign in with a token that may write."""
    page = Page(chromium, origin)
    page.sign_in(WRITE)
    return page
