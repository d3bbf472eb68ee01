"""Use the operator's page in a browser, as a person does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.admin.pages.served import PATIENCE

T = TypeVar("T")
POLL = """
const done = arguments[0], fetched = window.fetch;
window.fetch = async (...given) => {
  window.fetch = fetched;
  try {
    const answer = await fetched(...given), read = answer.text.bind(answer);
    // A task of its own: after all that the page does with the answer.
    answer.text = async () => { const text = await read(); setTimeout(done); return text; };
    if (answer.status === 304 || answer.type === "opaqueredirect") setTimeout(done);
    return answer;
  } catch (error) {
    setTimeout(done);
    throw error;
  }
};
document.dispatchEvent(new Event("visibilitychange"));
"""


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

    def poll(self) -> None:
        """Have the page ask for news at once, and wait until it has shown them."""
        self.driver.execute_async_script(POLL)
