"""Test that views keep themselves up to date, and take nothing from whoever uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from flask_irl.campaigns.campaign import Table
from flask_irl.campaigns.incident import Incident, decode, encode
from flask_irl.verdicts.incident_watch import INCIDENTS
from tests.admin.pages.browser.page import Page
from tests.admin.pages.scene import CAMPAIGN, SCANNER
from tests.operations.worker import Worker, override

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STRANGER = "192.0.2.200"
LATER = "const now = Date.now; Date.now = () => now() + 60000;"


def come(worker: Worker, client: str = STRANGER, times: int = 3, route: str = "/new") -> None:
    """Let a client ask, and be told of."""
    for _ in range(times):
        worker.ask(client, route)
    worker.limiter.flush()


def attack(worker: Worker) -> None:
    """Keep another incident, as a watcher does."""
    revision, data = worker.store.table(INCIDENTS)
    found = Incident("scraping", "/catalogue", 1_795_836_000.0, 1_795_836_600.0, clients=7)
    assert worker.store.put_table(INCIDENTS, revision, encode([found, *decode(data)]))


def note(worker: Worker) -> None:
    worker.operations.clients.feedback(SCANNER, "abuse", "ada")


def limit(worker: Worker) -> None:
    worker.operations.site.set_limits({"base_limit": 4321}, "ada")


def mark(page: Page) -> None:
    """Mark the elements that are shown, so that new ones in their place would be told apart."""
    page.run("document.querySelectorAll('#live, #live *').forEach((e) => { e.marked = true; })")


def is_marked(page: Page, selector: str) -> bool:
    found: bool = page.run("return document.querySelector(arguments[0]).marked === true", selector)
    return found


@pytest.mark.parametrize(
    ("path", "happen", "told", "kept"),
    [
        ("/clients", lambda worker: come(worker, "192.0.2.201", 50), "192.0.2.201", "tbody tr"),
        (f"/client?id={SCANNER}", note, "Noted by an operator: abuse", "form.act"),
        ("/traffic", lambda worker: come(worker, route="/novel"), "/novel", "svg"),
        ("/incidents", attack, "/catalogue", "#live"),
        ("/limits", limit, "4,321", "dl"),
        (
            "/audit",
            lambda worker: override(worker, "block", reason="as told just now"),
            "as told just now",
            "#live",
        ),
    ],
    ids=["clients", "client", "traffic", "incidents", "limits", "audit"],
)
def test_a_view_shows_news_in_place(
    page: Page, worker: Worker, path: str, happen: Callable[[Worker], Any], told: str, kept: str
) -> None:
    page.open(path)
    assert told not in page.text
    mark(page)
    happen(worker)
    page.poll()
    assert told in page.text
    assert is_marked(page, kept)
    assert page.run("return window.violations") == []


def test_models_are_told_in_place(page: Page, worker: Worker) -> None:
    page.open("/models")
    assert "Pinned" not in page.text
    version = worker.operations.models.describe()["version"]
    worker.operations.models.rollback(version, "ada", reason="held for now")
    page.poll()
    assert "held for now" in page.text
    worker.operations.models.unpin("ada")
    page.poll()
    assert "held for now" not in page.text


def test_focus_scroll_and_open_details_stay(page: Page, worker: Worker) -> None:
    page.open(f"/client?id={SCANNER}")
    page.find("#features summary").click()
    page.run("document.querySelector('[aria-label=Limits]').focus(); scrollTo(0, 200)")
    before = page.run("return [scrollY, document.activeElement.getAttribute('aria-label')]")
    assert before == [200, "Limits"]
    tiles = page.find(".tiles").text
    come(worker, SCANNER)
    page.poll()
    assert page.find(".tiles").text != tiles
    assert page.run("return document.querySelector('#features').open") is True
    after = page.run("return [scrollY, document.activeElement.getAttribute('aria-label')]")
    assert after == before


def test_a_row_keeps_the_focus_where_the_order_changes(page: Page, worker: Worker) -> None:
    come(worker, "192.0.2.210", 5)
    page.open("/clients")
    link = "tr[data-key='192.0.2.210'] a"
    page.run("document.querySelector(arguments[0]).focus()", link)
    place = "return document.querySelector(\"tr[data-key='192.0.2.210']\").rowIndex"
    before = page.run(place)
    come(worker, "192.0.2.210", 90)
    page.poll()
    assert page.run(place) < before
    assert page.run("return document.activeElement.textContent") == "192.0.2.210"


def test_a_row_that_has_the_focus_is_not_taken_away(page: Page, worker: Worker) -> None:
    override(worker, "block", "192.0.2.211")
    page.open("/clients?order=overridden")
    page.run("document.querySelector(\"tr[data-key='192.0.2.211'] a\").focus()")
    worker.operations.overrides.clear("192.0.2.211", "ada")
    page.poll()
    assert page.run("return document.activeElement.textContent") == "192.0.2.211"
    page.run("document.activeElement.blur()")
    page.poll()
    assert "192.0.2.211" not in page.text


def test_nothing_changes_while_a_form_is_filled_in(page: Page, worker: Worker) -> None:
    page.open(f"/client?id={SCANNER}")
    page.find("#reason").send_keys("it sca")
    tiles = page.find(".tiles").text
    come(worker, SCANNER)
    page.poll()
    assert page.find(".tiles").text == tiles
    assert page.find("#reason").get_attribute("value") == "it sca"
    assert page.run("return document.activeElement.id") == "reason"
    assert not page.find("#stale").is_displayed()
    # Typed text holds it even where the focus is elsewhere, and the page says so.
    page.run(LATER + "document.activeElement.blur()")
    page.poll()
    assert page.find(".tiles").text == tiles
    assert "they wait while a form is filled in" in page.find("#stale").text
    page.find("#reason").clear()
    page.run("document.activeElement.blur()")
    page.poll()
    assert page.find(".tiles").text != tiles
    assert not page.find("#stale").is_displayed()


@pytest.mark.parametrize(
    "script",
    ["find('#order').selectedIndex = 2", "find('#everybody').click()"],
    ids=["select", "checkbox"],
)
def test_a_choice_that_is_not_sent_yet_stays(page: Page, worker: Worker, script: str) -> None:
    page.open("/clients")
    page.run("const find = (s) => document.querySelector(s);" + script)
    before = page.find("tbody").text
    come(worker, f"192.0.2.{221 + ('order' in script)}", 90)
    page.poll()
    assert page.find("tbody").text == before


def test_selected_text_stays_selected(page: Page, worker: Worker) -> None:
    page.open("/clients")
    page.run("getSelection().selectAllChildren(document.querySelector('tbody tr'))")
    before = page.run("return String(getSelection())")
    assert before
    come(worker, "192.0.2.230", 90)
    page.poll()
    assert page.run("return String(getSelection())") == before
    assert "192.0.2.230" not in page.text
    page.run("getSelection().removeAllRanges()")
    page.poll()
    assert "192.0.2.230" in page.text


def test_a_search_through_all_clients_is_not_repeated(page: Page) -> None:
    page.open("/clients?q=192.0.2&everybody=1")
    assert page.run("return document.body.dataset.live") is None
    page.open("/clients?q=192.0.2")
    assert page.run("return document.body.dataset.live") == "5"


def test_a_view_says_when_the_session_has_ended(page: Page) -> None:
    page.open("/audit")
    page.driver.delete_all_cookies()
    page.poll()
    assert page.find("#stale").text == "You are signed out: load the page anew."


def test_a_client_that_is_known_no_more_is_no_failure(page: Page) -> None:
    page.open("/client?id=192.0.2.250")
    page.poll()
    assert not page.find("#stale").is_displayed()
    assert page.driver.find_elements(By.CSS_SELECTOR, "#live")


def test_a_campaign_that_ends_by_itself_is_gone_and_no_failure(page: Page, worker: Worker) -> None:
    page.open(f"/campaign?id={CAMPAIGN.id}")
    revision, _ = worker.store.campaigns()
    assert worker.store.put_campaigns(revision, Table().encode())
    page.poll()
    assert page.find("#stale").text.startswith("What this page is about is gone: ")
