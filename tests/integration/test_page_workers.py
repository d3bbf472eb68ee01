"""Act on the operator's page in a real browser: it holds in the other of two gunicorn workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.chromium import chromium_with
from tests.integration.workers import CONFIG, PATIENCE, Line, Workers, lines_to_both
from tests.servers import HOST, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TOKEN = "token-of-the-operator"
CLIENT = "scanner-of-the-test"
APP = """
import os

from flask import Flask, jsonify, request
from flask_irl import IntelligentLimiter

app = Flask("site")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    # Nothing here is about time, and the machine may be busy.
    store_timeout=10.0,
    train=False,
    key_func=lambda: request.headers["X-Client"],
    admin_token=os.environ["TOKEN"],
)

@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response

@app.get("/")
def index():
    return jsonify({})

@app.errorhandler(404)
def missing(error):
    return jsonify({}), 404

@app.get("/model")
@limiter.exempt
def model():
    return jsonify(pid=os.getpid(), version=0)
"""
PATIENT = CONFIG + "\nkeepalive = 120\n"
"""Lines to both workers stay while the browser is at work."""


@pytest.fixture
def workers(tmp_path: Path, redis_url: str) -> Iterator[Workers]:
    """Serve a site by two workers on an empty Redis."""
    with Workers(tmp_path, redis_url, APP, config=PATIENT, TOKEN=TOKEN) as workers:
        yield workers


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chrome]:
    """Start a headless Chromium with an empty profile."""
    with chromium_with(tmp_path / "chromium") as driver:
        yield driver


def press(driver: Chrome, text: str) -> None:
    """Press a button, and wait for what it leads to."""
    before = driver.find_element(By.TAG_NAME, "html")
    driver.find_element(By.XPATH, f"//button[normalize-space()='{text}']").click()

    def is_new() -> bool:
        # None while one page has gone, and the next one has not come.
        found = driver.find_elements(By.TAG_NAME, "html")
        return bool(found) and found[0] != before

    wait_until(is_new, text, PATIENCE)


def test_a_scanner_is_found_understood_blocked_in_both_workers_and_released(
    chromium: Chrome, workers: Workers
) -> None:
    one, other = lines_to_both(workers.port)

    def status(line: Line) -> int:
        return line.ask("GET", "/", client=CLIENT).status

    for number in range(40):
        one.ask("GET", f"/guess-{number}.php", client=CLIENT)
    page = f"http://{HOST}:{workers.port}/admin/"
    chromium.get(page)
    chromium.find_element(By.ID, "token").send_keys(TOKEN)
    press(chromium, "Sign in")

    def is_flagged() -> bool:
        chromium.get(f"{page}page/clients?order=flagged")
        return CLIENT in chromium.page_source

    wait_until(is_flagged, "a flag", PATIENCE)
    search = chromium.find_element(By.ID, "q")
    search.send_keys("scanner")
    search.submit()
    wait_until(lambda: "q=scanner" in chromium.current_url, "the search", PATIENCE)
    chromium.find_element(By.LINK_TEXT, CLIENT).click()
    wait_until(lambda: "Why" in chromium.page_source, "the client", PATIENCE)
    assert "guesses at paths that don't exist" in chromium.find_element(By.TAG_NAME, "main").text
    # Anyone of the workers answers the browser: the session holds in both.
    chromium.find_element(By.ID, "reason").send_keys("scans")
    press(chromium, "Block")
    assert f"{CLIENT} is blocked until" in chromium.find_element(By.CLASS_NAME, "notice").text
    wait_until(lambda: status(one) == status(other) == 429, "a block in both", PATIENCE)
    press(chromium, "Undo")
    assert "is taken back" in chromium.find_element(By.CLASS_NAME, "notice").text
    press(chromium, "Allow")
    wait_until(lambda: status(one) == status(other) == 200, "leave in both", PATIENCE)
    one.close()
    other.close()
