"""Test the docs page in a real browser: its content, its requests, its forms."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

import pytest
from flask import Flask, Response, request
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from flask_irl import IntelligentLimiter
from tests.chromium import chromium_with
from tests.servers import HOST

pytestmark = pytest.mark.integration

T = TypeVar("T")

TOKEN = "token-of-the-browser-test"
HTML = "<img src=x onerror=document.title=1>"
ASK_ANOTHER_HOST = """
return new Promise((resolve) => {
  document.addEventListener("securitypolicyviolation", () => resolve(null));
  new Image().src = "http://other.invalid/";
});
"""
MADE_OF_HTML = "[onerror]"
"""Finds what ``HTML`` would be if it were taken for HTML."""

VERBS = {"get", "put", "post", "delete", "patch"}
PATIENCE = 30.0
"""Seconds for what takes a fraction of one on an idle machine."""
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective}: ${event.blockedURI}`));
"""


NOT_YET = (
    # React puts another element in its place,
    StaleElementReferenceException,
    # or moves it.
    ElementClickInterceptedException,
    ElementNotInteractableException,
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Start a headless Chromium with an empty profile that notes violations of a policy."""
    with chromium_with(tmp_path_factory.mktemp("chromium")) as driver:
        source = {"source": NOTE_VIOLATIONS}
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
        yield driver


class Site:
    """Serve an app with the real limiter and its admin API within a ``with``.

    Args:
        mount: The path below which the server has the app.
    """

    def __init__(self, mount: str = "") -> None:
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app,
            key_func=lambda: request.headers["X-Client"],
            storage_uri="memory://",
            admin_token=TOKEN,
            background=False,
        )
        self.app.add_url_rule("/", "index", lambda: "hello")
        nothing = Response("There is nothing here.", 404)
        served = DispatcherMiddleware(nothing, {mount: self.app}) if mount else self.app
        self._server = make_server(HOST, 0, served, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.origin = f"http://{HOST}:{self._server.server_port}"
        self.address = self.origin + mount

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()

    def visit(self, client: str, times: int = 1) -> None:
        """Send requests of a client, and let the limiter learn from them."""
        visitor = self.app.test_client()
        for _ in range(times):
            assert visitor.get("/", headers={"X-Client": client}).status_code == 200
        with self.app.app_context():
            self.limiter.flush()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask the admin API with the token."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        response = self.app.test_client().open(path, method=method, headers=headers, **options)
        assert response.status_code == 200, response.text
        return response.json


class DocsPage:
    """Open the docs page anew, and act on it as a person.

    Args:
        driver: Of the browser.
        site: Whose docs page it is.
    """

    def __init__(self, driver: Chrome, site: Site) -> None:
        self._driver = driver
        # What earlier pages logged is none of this one's.
        self._log("performance")
        self._log("browser")
        driver.get(f"{site.address}/admin/docs")
        self._wait(lambda: self.elements(".opblock"), "operations on the page")

    @property
    def title(self) -> str:
        """Give the page's title in the browser."""
        return self._driver.title

    @property
    def operations(self) -> set[tuple[str, str]]:
        """List method and path of each operation on the page."""
        return {
            (
                block.find_element(By.CSS_SELECTOR, ".opblock-summary-method").text,
                block.find_element(By.CSS_SELECTOR, "[data-path]").get_attribute("data-path") or "",
            )
            for block in self.elements(".opblock")
        }

    @property
    def errors(self) -> list[str]:
        """List the console's errors since the last call."""
        return [entry["message"] for entry in self._log("browser") if entry["level"] == "SEVERE"]

    @property
    def requests(self) -> list[str]:
        """List the addresses that the browser requested since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = "Network.requestWillBeSent"
        return [m["params"]["request"]["url"] for m in messages if m["method"] == sent]

    @property
    def violations(self) -> list[str]:
        """List the violations of the page's policy."""
        found: list[str] = self.run("return window.violations")
        return found

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page, and give its result."""
        return self._driver.execute_script(script, *arguments)

    def elements(self, selector: str) -> list[WebElement]:
        """Find elements by a CSS selector."""
        return self._driver.find_elements(By.CSS_SELECTOR, selector)

    def authorize(self, token: str) -> None:
        """Enter the token."""
        self._click(".scheme-container .authorize")
        self._write(".modal-ux input", token)
        self._click(".modal-ux button[type=submit]")
        self._click(".modal-ux .btn-done")

    def execute(self, operation: str, **parameters: str) -> tuple[int, Any]:
        """Try an operation out, once per page; give the status and JSON that are shown then."""
        block = f"#operations-{operation}"
        self._click(f"{block} .opblock-summary-control")
        self._click(f"{block} .try-out__btn")
        for name, value in parameters.items():
            self._write(f"{block} tr[data-param-name='{name}'] input", value)
        self._click(f"{block} .execute")
        answer = f"{block} .live-responses-table .response"
        status = self._with(f"{answer} .response-col_status", lambda cell: cell.text.split())
        body = self._with(f"{answer} .highlight-code code", lambda code: code.text)
        return int(status[0]), json.loads(body)

    def _log(self, name: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._driver.get_log(name)  # type: ignore[no-untyped-call]
        return entries

    def _click(self, selector: str) -> None:
        def click(element: WebElement) -> bool:
            element.click()
            return True

        self._with(selector, click)

    def _write(self, selector: str, text: str) -> None:
        def write(field: WebElement) -> bool:
            # React restores a field that is merely emptied.
            self.run("arguments[0].select()", field)
            field.send_keys(text)
            return field.get_attribute("value") == text

        self._with(selector, write)

    def _with(self, selector: str, use: Callable[[WebElement], T]) -> T:
        """Call ``use`` with the first element that is shown until the result is true."""

        def try_it() -> T | None:
            shown = next((e for e in self.elements(selector) if e.is_displayed()), None)
            return None if shown is None else use(shown)

        return self._wait(try_it, selector)

    def _wait(self, condition: Callable[[], T | None], what: str) -> T:
        wait: WebDriverWait[Chrome] = WebDriverWait(self._driver, PATIENCE, 0.05, NOT_YET)
        return wait.until(lambda _: condition() or False, f"waited {PATIENCE:g} s in vain: {what}")


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve a site at the root of its host."""
    with Site() as served:
        yield served


@pytest.fixture
def page(chromium: Chrome, site: Site) -> DocsPage:
    """Open the docs page of the site."""
    return DocsPage(chromium, site)


def test_the_page_shows_every_operation_of_the_description(page: DocsPage, site: Site) -> None:
    paths = site.ask("GET", "/admin/openapi.json")["paths"]
    described = {(method.upper(), path) for path in paths for method in paths[path].keys() & VERBS}
    assert page.title == "flask_irl admin API"
    assert len(described) >= 16
    assert page.operations == described


def test_nothing_but_the_own_host_is_asked(page: DocsPage, site: Site) -> None:
    page.authorize(TOKEN)
    page.execute("site-stats")
    asked = page.requests
    assert f"{site.origin}/admin/stats" in asked
    assert [a for a in asked if not a.startswith((f"{site.origin}/", "data:", "blob:"))] == []


def test_its_own_policy_forbids_nothing_of_what_the_page_does(page: DocsPage) -> None:
    page.authorize(TOKEN)
    page.execute("site-stats")
    assert page.violations == []


def test_the_console_shows_no_errors(page: DocsPage) -> None:
    page.authorize(TOKEN)
    page.execute("site-stats")
    assert page.errors == []


def test_what_another_host_is_asked_for_is_forbidden_seen_and_logged(page: DocsPage) -> None:
    # So that the tests before can't hold for want of ears.
    page.run(ASK_ANOTHER_HOST)
    assert "img-src: http://other.invalid/" in page.violations
    assert "http://other.invalid/" in page.requests
    assert any("http://other.invalid/" in error for error in page.errors)


def test_with_the_token_an_operation_answers(page: DocsPage, site: Site) -> None:
    site.visit("ada", times=3)
    page.authorize(TOKEN)
    status, stats = page.execute("site-stats")
    assert (status, stats["total_requests"]) == (200, 3)


def test_without_a_token_the_page_shows_a_401(page: DocsPage) -> None:
    status, problem = page.execute("site-stats")
    assert (status, problem["status"], problem["title"]) == (401, 401, "Unauthorized")
    assert "total_requests" not in problem


def test_a_wrong_token_makes_the_page_show_a_403(page: DocsPage) -> None:
    page.authorize("wrong-" + TOKEN)
    status, problem = page.execute("site-stats")
    assert (status, problem["title"]) == (403, "Forbidden")


def test_the_token_is_forgotten_with_the_page(page: DocsPage, chromium: Chrome, site: Site) -> None:
    page.authorize(TOKEN)
    assert DocsPage(chromium, site).execute("site-stats")[0] == 401


def test_below_a_path_of_its_host_the_page_works_as_well(chromium: Chrome) -> None:
    with Site(mount="/shop") as site:
        page = DocsPage(chromium, site)
        page.authorize(TOKEN)
        status, _ = page.execute("site-stats")
        assert status == 200
        assert f"{site.origin}/shop/admin/stats" in page.requests


@pytest.mark.parametrize("known", [True, False])
def test_a_clients_id_does_not_become_html(page: DocsPage, site: Site, known: bool) -> None:
    if known:
        site.visit(HTML)
    page.authorize(TOKEN)
    status, _ = page.execute("clients-client", id=HTML)
    assert status == (200 if known else 404)
    assert page.elements(MADE_OF_HTML) == []


def test_a_reason_does_not_become_html(page: DocsPage, site: Site) -> None:
    override = {"kind": "block", "reason": HTML}
    site.ask("PUT", "/admin/client/ada/override", json=override)
    page.authorize(TOKEN)
    _, audit = page.execute("site-audit")
    assert [change["reason"] for change in audit["changes"]] == [HTML]
    assert page.elements(MADE_OF_HTML) == []
