"""Test the operator's page in a real browser, on the demo's attack in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from axe_core_python.base import AXE_SCRIPT
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.admin.api import READ, WRITE
from tests.admin.pages.pictures import MOST_BYTES, OF_CAMPAIGN, PICTURES, Picture, show, take
from tests.admin.pages.scene import CAMPAIGN, SCANNER, app_of, begin_campaign, play
from tests.admin.pages.served import PATIENCE, served
from tests.chromium import chromium_with
from tests.operations.worker import Worker, override

pytestmark = [pytest.mark.integration, pytest.mark.slow]

T = TypeVar("T")
HTML = "<img src=x onerror=document.title='taken'>"
VIEWS = (
    *("/", "/clients?order=flagged", f"/client?id={SCANNER}", "/models", "/limits", "/audit"),
    *("/clients?sort=score&ascending=1", f"/campaign?id={CAMPAIGN.id}"),
)
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective}: ${event.blockedURI}`));
"""
FORM = (
    "<form method=post action='{address}/admin/page/client'><input name=id value='{client}'>"
    "<input name=action value=allow><input name=seconds value=600><button>x</button></form>"
)
FRAME = "data:text/html,<iframe src='{address}'></iframe>"


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """Have axe-core look at a page; lists rules that it breaks, each with some elements."""
    page.run(AXE_SCRIPT)
    found = page.driver.execute_async_script(
        "const done = arguments[0]; axe.run().then((result) => done(result.violations))"
    )
    return [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found]


class Page:
    """Use the page as a person.

    Args:
        driver: Of the browser.
        origin: The site's.
    """

    def __init__(self, driver: Chrome, origin: str) -> None:
        self.driver = driver
        self.origin = origin

    def open(self, path: str = "/") -> None:
        self.driver.get(f"{self.origin}/admin/page{path}")

    def sign_in(self, token: str) -> None:
        self.driver.delete_all_cookies()
        self.open("/sign-in")
        self.find("#token").send_keys(token)
        self.press("Sign in")
        self.wait(lambda: self.find("nav"), "the page")

    def find(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, text: str) -> None:
        """Press a button of a text, and wait for the page that it leads to."""
        before = self.find("html")
        self.driver.find_element(By.XPATH, f"//button[normalize-space()='{text}']").click()
        self.wait(lambda: self.find("html") != before and self.find("main"), text)

    def wait(self, condition: Callable[[], T], what: str) -> T:
        wait: WebDriverWait[Chrome] = WebDriverWait(
            self.driver, PATIENCE, 0.05, (StaleElementReferenceException,)
        )
        return wait.until(lambda _: condition() or False, f"waited in vain: {what}")

    @property
    def text(self) -> str:
        text: str = self.find("body").text
        return text

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)


@pytest.fixture(scope="module")
def worker() -> Worker:
    """Play the attack, and a campaign beside it."""
    worker = play(300.0, 60.0)
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


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)], ids=["wide", "phone"])
@pytest.mark.parametrize("path", [*VIEWS, "/sign-in"])
def test_axe_finds_nothing(page: Page, path: str, width: int, dark: bool) -> None:
    show(page.driver, Picture("", path, width, 900, dark), page.origin)
    assert violations(page) == []
    # Nothing but tables, which scroll in themselves, is wider than the screen.
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run("return window.violations") == []


def test_axe_would_find_a_field_without_a_label(page: Page) -> None:
    page.open("/clients")
    page.run("document.querySelector('label[for=route]').remove()")
    page.run("document.querySelector('#route').removeAttribute('placeholder')")
    assert [rule for rule, _ in violations(page)] == ["label"]


@pytest.mark.parametrize("picture", [*PICTURES, *OF_CAMPAIGN], ids=lambda picture: picture.name)
def test_a_picture_is_small_enough_for_the_docs(page: Page, picture: Picture) -> None:
    show(page.driver, picture, page.origin)
    assert 5_000 < len(take(page.driver)) <= MOST_BYTES


def test_with_the_keyboard_alone_a_client_is_blocked_and_that_undone(page: Page) -> None:
    page.open("/clients?order=flagged")
    keys: list[str] = []

    def tab_to(wanted: Callable[[Any], bool]) -> Any:
        for _ in range(80):
            page.driver.switch_to.active_element.send_keys(Keys.TAB)
            element = page.driver.switch_to.active_element
            outline = page.run("return getComputedStyle(arguments[0]).outlineStyle", element)
            assert outline != "none", f"no visible focus on {element.get_attribute('outerHTML')}"
            keys.append(element.text)
            if wanted(element):
                return element
        raise AssertionError(f"not reached with the keyboard: {keys}")

    tab_to(lambda element: element.text == SCANNER).send_keys(Keys.ENTER)
    page.wait(lambda: "Why" in page.text, "the client")
    tab_to(lambda element: element.get_attribute("id") == "reason").send_keys("it scans")
    tab_to(lambda element: element.text == "Block").send_keys(Keys.ENTER)
    page.wait(lambda: f"{SCANNER} is blocked until" in page.text, "the notice")
    tab_to(lambda element: element.text == "Undo").send_keys(Keys.ENTER)
    page.wait(lambda: f"The override of {SCANNER} is taken back" in page.text, "its undo")


def test_a_list_is_sorted_by_a_click_on_a_heading(page: Page) -> None:
    def seconds() -> list[str]:
        cells = page.driver.find_elements(By.CSS_SELECTOR, "table.list td time")
        return [cell.get_attribute("datetime") or "" for cell in cells]

    page.open("/clients")
    for way in ("descending", "ascending"):
        page.driver.find_element(By.LINK_TEXT, "last seen").click()
        wanted = f"th[aria-sort={way}]"
        page.wait(lambda: page.driver.find_elements(By.CSS_SELECTOR, wanted), way)  # noqa: B023
        assert len(seconds()) > 5
        assert seconds() == sorted(seconds(), reverse=way == "descending")


def test_a_campaign_is_ended_with_a_reason_and_put_back(page: Page, worker: Worker) -> None:
    page.open()
    page.driver.find_element(By.LINK_TEXT, "Whom it holds, and end it").click()
    page.wait(lambda: "This is no attack" in page.text, "the campaign")
    page.find("#reason").send_keys("our own migration")
    page.press("End the campaign")
    assert "The campaign on /login is ended" in page.text
    assert worker.operations.campaigns.running() == []
    page.press("Undo")
    assert "The campaign on /login goes on" in page.text
    assert [x["id"] for x in worker.operations.campaigns.running()] == [CAMPAIGN.id]


def test_a_reset_is_undone_from_its_notice(page: Page, worker: Worker) -> None:
    before = worker.operations.clients.describe(SCANNER)
    page.open(f"/client?id={SCANNER}")
    assert "Recent requests" in page.text
    page.press("Reset…")
    page.press("Reset")
    assert f"{SCANNER} is forgotten" in page.text
    page.press("Undo")
    assert "is put back as it was before its reset" in page.text
    after = worker.operations.clients.describe(SCANNER)
    assert before is not None and after is not None
    assert (after["step"], after["requests"]) == (before["step"], before["requests"])


def test_without_script_everything_works(chromium: Chrome, origin: str) -> None:
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page = Page(chromium, origin)
        page.sign_in(WRITE)
        page.open("/limits")
        page.find("#base_limit").clear()
        page.find("#base_limit").send_keys("77")
        page.press("Preview…")
        page.press("Change")
        assert "Changed: base limit 77" in page.text
        page.press("Undo")
        assert "Changed: base limit 100" in page.text
    finally:
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_what_clients_and_operators_write_is_only_text(page: Page, worker: Worker) -> None:
    worker.ask("198.51.100.99", HTML)
    worker.limiter.flush()
    override(worker, "block", "198.51.100.99", reason=HTML, who=HTML)
    names = worker.limiter.label_of
    worker.limiter.label_of = lambda client: HTML
    try:
        for path in (
            *VIEWS,
            "/client?id=198.51.100.99",
            "/clients?q=%3Cimg%20src=x%20onerror=1%3E",
        ):
            page.open(path)
            assert page.driver.find_elements(By.CSS_SELECTOR, "[onerror]") == []
            assert "taken" not in page.driver.title
            assert page.run("return window.violations") == []
        page.open("/client?id=198.51.100.99")
        assert HTML in page.text
    finally:
        worker.limiter.label_of = names


def test_a_read_token_has_no_button_and_its_forms_are_refused(page: Page, worker: Worker) -> None:
    page.sign_in(READ)
    page.open(f"/client?id={SCANNER}")
    buttons = [b.text for b in page.driver.find_elements(By.CSS_SELECTOR, "button")]
    assert buttons == ["Sign out"]
    before = worker.audited()
    status = page.run(
        """
        const body = new FormData();
        body.set("form_token", document.querySelector("[name=form_token]").value);
        for (const [name, value] of Object.entries(arguments[0])) body.set(name, value);
        const request = new XMLHttpRequest();
        request.open("POST", "/admin/page/client", false);
        request.send(new URLSearchParams(body));
        return request.status;
        """,
        {"id": SCANNER, "action": "allow", "seconds": "600"},
    )
    assert status == 403
    assert worker.audited() == before


def test_another_sites_page_neither_frames_nor_changes_it(page: Page, worker: Worker) -> None:
    before = worker.audited()
    address = page.origin
    page.driver.get("data:text/html," + FORM.format(address=address, client=SCANNER))
    page.find("button").click()
    page.wait(lambda: "another site" in page.text or "Sign in" in page.text, "its refusal")
    assert worker.audited() == before
    page.driver.get(FRAME.format(address=f"{address}/admin/page/limits"))
    page.driver.switch_to.frame(page.find("iframe"))
    assert "Base limit" not in page.run("return document.documentElement.textContent")
    page.driver.switch_to.default_content()


def test_the_overview_keeps_itself_up_to_date_and_says_when_it_cannot(
    chromium: Chrome, worker: Worker
) -> None:
    with served(app_of(worker)) as origin:
        page = Page(chromium, origin)
        page.sign_in(WRITE)
        assert "198.51.100.77" not in page.text
        worker.ask("198.51.100.77")
        worker.limiter.flush()
        worker.flag("198.51.100.77")
        worker.store.rank("flagged", {"198.51.100.77": worker.store.now()})
        page.wait(lambda: "198.51.100.77" in page.text, "the flagged client")
    page.wait(lambda: "The site doesn't answer: all figures are as of" in page.text, "the warning")


def test_after_signing_out_a_copied_cookie_opens_nothing(page: Page) -> None:
    [cookie] = page.driver.get_cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/admin")
    assert page.run("return document.cookie") == ""
    page.press("Sign out")
    page.driver.add_cookie(cookie)
    page.open("/clients")
    assert "Token of the admin API" in page.text
