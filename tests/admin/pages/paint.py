"""Measure the first paint of each view in Chromium: ``python -m tests.admin.pages.paint``.

Once with the demo's attack in virtual time, and once with many clients in Redis, over loopback and
with nothing in the browser's cache.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from flask import Flask
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from flask_irl import IntelligentLimiter
from loadtests.bench.admin import PAGES, TOKEN, fill
from loadtests.bench.cases.apps import limiter_of
from loadtests.servers import redis_server
from loadtests.tables import Table, make_console
from tests.admin.api import WRITE
from tests.admin.pages.pictures import sign_in
from tests.admin.pages.scene import SCANNER, app_of, play
from tests.admin.pages.served import PATIENCE, served
from tests.chromium import chromium_with

PAINTED: Final = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
"""Milliseconds from the click to the first text or picture; 0 before it."""
SCENE: Final = "the demo's attack"


def paint(driver: Chrome, address: str) -> float:
    """Open a view, and give the milliseconds until its first paint.

    Raises:
        selenium.common.exceptions.TimeoutException: Nothing is painted.
    """
    driver.get(address)
    wait: WebDriverWait[Chrome] = WebDriverWait(driver, PATIENCE, 0.02)
    found: float = wait.until(lambda _: driver.execute_script(PAINTED))
    return found


def paints(driver: Chrome, origin: str, path: str, calls: int) -> list[float]:
    """Open a view some times, with an empty cache."""
    return [paint(driver, f"{origin}{path}") for _ in range(calls)]


@contextmanager
def crowded(clients: int) -> Iterator[tuple[Flask, str]]:
    """Make an app with many clients in Redis; gives the id of an incident, too."""
    with redis_server() as url:
        app = Flask("bench")
        IntelligentLimiter(
            app, storage_uri=url, admin_token=TOKEN, background=False, store_timeout=2.0
        )
        app.add_url_rule("/", "index", lambda: "ok")
        incident = fill(app, clients)
        yield app, incident
        limiter_of(app).close()


def measure(driver: Chrome, app: Flask, token: str, paths: Sequence[str], calls: int) -> list[str]:
    """Measure views of an app; gives the median of each and its worst, in words."""
    with served(app) as origin:
        driver.delete_all_cookies()
        sign_in(driver, origin, token)
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        found = []
        for path in paths:
            times = paints(driver, origin, path, calls)
            found.append(f"{statistics.median(times):.0f} ({max(times):.0f})")
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all views, and print median and worst of the times."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.admin.pages.paint",
        description="Measure the first paint of each view of the operator's page, in Chromium.",
    )
    add = parser.add_argument
    add("--clients", type=int, default=100_000, help="clients in Redis (%(default)s)")
    add("--calls", type=int, default=15, help="calls of each view (%(default)s)")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as profile,
        chromium_with(Path(profile)) as driver,
        crowded(options.clients) as (app, incident),
    ):
        paths = [path.format(incident=incident) for path in PAGES]
        many = measure(driver, app, TOKEN, paths, options.calls)
        scene = app_of(play())
        of_scene = [path.replace("10.0.0.1", SCANNER) for path in paths]
        attack = measure(driver, scene, WRITE, of_scene, options.calls)
    rows = list(zip(PAGES, attack, many, strict=True))
    headings = ("first paint, ms: median (worst)", SCENE, f"{options.clients:,} clients")
    make_console().print(Table(headings, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
