"""Test the operator's page in a real browser, on the demo's attack in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_core_python.base import AXE_SCRIPT
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.admin.api import READ, WRITE
from tests.admin.pages.browser.page import Page
from tests.admin.pages.pictures import MOST_BYTES, OF_CAMPAIGN, PICTURES, Picture, show, take
from tests.admin.pages.scene import CAMPAIGN, SCANNER, app_of
from tests.admin.pages.served import served
from tests.operations.worker import Worker, override

pytestmark = [pytest.mark.integration, pytest.mark.slow]

HTML = "<img src=x onerror=document.title='taken'>"
VIEWS = (
    *("/", "/traffic?span=7d&by=refused", "/clients?order=flagged", f"/client?id={SCANNER}"),
    *("/clients?sort=score&ascending=1", f"/campaign?id={CAMPAIGN.id}", "/clients?country=DE"),
    *("/incidents", "/models", "/models?threshold=-0.2", "/limits", "/audit"),
)
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


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)], ids=["wide", "phone"])
@pytest.mark.parametrize("path", [*VIEWS, "/sign-in"])
def test_axe_finds_nothing(page: Page, path: str, width: int, dark: bool) -> None:
    show(page.driver, Picture("", path, width, 900, dark), page.origin)
    assert violations(page) == []
    # Nothing but tables, which scroll in themselves, is wider than the screen.
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run("return window.violations") == []


def test_a_clients_course_is_drawn_and_told_to_a_screen_reader(page: Page) -> None:
    page.open(f"/client?id={SCANNER}")
    charts = page.driver.find_elements(By.CSS_SELECTOR, "svg[role=img][aria-labelledby^=course]")
    requests, scores = (chart.accessible_name for chart in charts)
    assert "of them refused, in the last hour" in requests
    assert "Flagged at 03:" in requests
    assert "below -0.50 a score is anomalous" in scores
    for chart in charts:
        bars = chart.find_elements(By.CSS_SELECTOR, "rect.bar")
        assert max(bar.size["height"] for bar in bars) > 20
        assert chart.find_elements(By.CSS_SELECTOR, "line.edge")
    assert "flagged" in page.find("h3 + ul.changes").text


def test_a_country_leads_to_its_clients_and_each_to_its_country(page: Page) -> None:
    page.open("/traffic")
    page.find('tr[data-key="DE"] a').click()
    page.wait(lambda: "country=DE" in page.driver.current_url, "the list of a country")
    rows = page.driver.find_elements(By.CSS_SELECTOR, "#live tbody tr")
    assert rows
    assert all((row.get_attribute("data-key") or "").startswith("203.0.113.") for row in rows)
    page.open(f"/client?id={SCANNER}")
    assert "Germany DE" in page.find("main").text
    # Three letters can't be typed.
    page.open("/clients")
    page.find("#country").send_keys("FRA")
    page.press("Show")
    page.wait(lambda: "country=FR" in page.driver.current_url, "the list of another")
    assert "203.0.113." not in page.find("#live").text


def test_previews_name_clients_and_axe_finds_nothing(page: Page) -> None:
    page.open("/limits")
    page.find("#base_limit").clear()
    page.find("#base_limit").send_keys("20")
    page.press("Preview…")
    assert "would have been refused" in page.find("main").text
    assert violations(page) == []
    page.open("/limits")
    page.find("#limits").send_keys("10/minute")
    page.press("Preview the plan…")
    assert "Of 0 clients" in page.text
    assert violations(page) == []
    page.open(f"/client?id={SCANNER}")
    page.press("Assign the plan…")
    assert "plan partner would have refused" in page.find("main").text
    assert violations(page) == []


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
