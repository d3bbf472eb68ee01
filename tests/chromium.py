"""Start the headless Chromium of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.browser import find_browser

FLAGS = (
    "--headless=new",
    # Chromium's own sandbox doesn't work as root, nor in most containers.
    "--no-sandbox",
    # Containers have little shared memory.
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever the environment says: the page is on this machine.
    "--no-proxy-server",
    "--window-size=1280,2000",
)


@contextmanager
def chromium_with(profile: Path) -> Iterator[Chrome]:
    """Start a Chromium that keeps a log of its network, and end it after the ``with`` block.

    Args:
        profile: An empty folder.
    """
    found = find_browser()
    with pytest.MonkeyPatch.context() as environment:
        # Selenium would ask for chromedriver on loopback by way of a proxy.
        environment.setenv("no_proxy", "*")
        options = ChromeOptions()
        options.binary_location = str(found.chromium)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        driver = Chrome(options, ChromeService(executable_path=str(found.driver)))
    try:
        yield driver
    finally:
        driver.quit()
