"""Start the real browser of the tests."""

from __future__ import annotations

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


def start_chromium(profile: Path) -> Chrome:
    """Start a headless Chromium that keeps its logs; ``quit()`` ends it.

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
        return Chrome(options, ChromeService(executable_path=str(found.driver)))
