"""Test the choice of a tenant in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.admin.pages.browser.page import Page
from tests.admin.pages.browser.test_browser import violations
from tests.admin.pages.pictures import Picture, show
from tests.admin.pages.served import served
from tests.admin.test_tenants import OF_A, SECRET_CLIENT, SITE, Site

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def tenants() -> Iterator[str]:
    """Serve an app with two tenants; gives its origin."""
    site = Site("memory://")
    with served(site.app) as origin:
        yield origin
    site.limiter.close()


@pytest.fixture
def page(chromium: Chrome, tenants: str) -> Page:
    """Sign in as the site's operator."""
    page = Page(chromium, tenants)
    page.sign_in(SITE)
    return page


def choose(page: Page, tenant: str) -> None:
    Select(page.find("#tenant")).select_by_visible_text(tenant)
    page.press("Show")


def test_a_tenant_is_chosen_and_acted_on_and_left(page: Page) -> None:
    page.open("/clients?order=overridden")
    assert SECRET_CLIENT not in page.text
    choose(page, "b")
    assert page.driver.current_url.endswith("/clients?tenant=b")
    page.find("#q").send_keys(SECRET_CLIENT)
    page.driver.find_elements(By.CSS_SELECTOR, "form.filters button")[0].click()
    page.wait(lambda: page.find(f"tr[data-key='{SECRET_CLIENT}'] a"), "the client of b").click()
    page.wait(lambda: "tenant b's own business" in page.text, "its override")
    page.press("Clear the override")
    assert f"The override of {SECRET_CLIENT} is taken back" in page.text
    page.press("Undo")
    assert f"{SECRET_CLIENT} is blocked until" in page.text
    assert Select(page.find("#tenant")).first_selected_option.text == "b"
    choose(page, "the site's own")
    assert SECRET_CLIENT not in page.text


def test_a_choice_that_is_not_sent_yet_stays(page: Page) -> None:
    page.open("/limits?tenant=a")
    Select(page.find("#tenant")).select_by_visible_text("b")
    page.poll()
    assert Select(page.find("#tenant")).first_selected_option.text == "b"


def test_a_tenants_own_session_names_it_and_has_no_choice(page: Page) -> None:
    page.sign_in(OF_A)
    assert "tenant a" in page.find("header").text
    assert page.driver.find_elements(By.ID, "tenant") == []
    page.open("/clients?tenant=b")
    assert "This token is for another tenant" in page.text
    assert SECRET_CLIENT not in page.text


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)], ids=["wide", "phone"])
@pytest.mark.parametrize("path", ["/tenants", "/?tenant=b", "/traffic?tenant=b"])
def test_axe_finds_nothing(page: Page, path: str, width: int, dark: bool) -> None:
    show(page.driver, Picture("", path, width, 900, dark), page.origin)
    assert violations(page) == []
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run("return window.violations") == []
