"""Test the page that a refused browser gets, and the app's template for it."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter, RateLimitExceeded
from flask_irl.web.refusal_body import form_for, page
from tests.recorder import Recorder
from tests.web import decisions

BROWSERS = {
    "Chromium": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Firefox": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Safari": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "lynx": "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01",
    "w3m": "text/html, text/*;q=0.5, image/*, application/*",
    "jQuery, for HTML": "text/html, */*; q=0.01",
}
PROGRAMS = {
    "curl, requests, fetch": "*/*",
    "axios": "application/json, text/plain, */*",
    "jQuery, for JSON": "application/json, text/javascript, */*; q=0.01",
    "both": "text/html, application/json",
    "rather JSON": "text/html;q=0.5, application/json",
    "text": "text/*",
    "not HTML": "text/html;q=0, */*",
    "an image": "image/avif,image/webp,*/*;q=0.8",
    "nothing": "",
    "rubbish": "text/html;q=x;;,\xff",
    "long": "text/plain, " * 100,
}
BROWSER = {"Accept": BROWSERS["Chromium"]}
REFUSED = decisions.REFUSED._replace(retry_after=119.2)


class Outline(HTMLParser):
    """Collect the elements of a page, its attributes and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.words += data


def site(folder: Path | None = None, **options: Any) -> tuple[Flask, IntelligentLimiter]:
    app = Flask("site", template_folder=folder)
    options = {"admin": False, "background": False, "storage_uri": "memory://", **options}
    limiter = IntelligentLimiter(app, **options)
    app.add_url_rule("/x", "x", limiter.limit("1/hour")(lambda: "x"))
    return app, limiter


def last_of(app: Flask, count: int = 2, path: str = "/x", **arguments: Any) -> TestResponse:
    return [app.test_client().get(path, **arguments) for _ in range(count)][-1]


# Who gets the page


@pytest.mark.parametrize("accept", BROWSERS.values(), ids=BROWSERS.keys())
def test_a_browser_gets_a_page(accept: str) -> None:
    assert form_for({"HTTP_ACCEPT": accept}) == "html"


@pytest.mark.parametrize("accept", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_program_gets_json(accept: str) -> None:
    assert form_for({"HTTP_ACCEPT": accept}) == "json"


@pytest.mark.parametrize("before", ["a/b, " * 20, f"text/plain;x={'a' * 500}, "])
def test_only_the_beginning_of_a_long_header_is_looked_at(before: str) -> None:
    assert form_for({"HTTP_ACCEPT": f"{before}text/html"}) == "json"


def test_who_says_nothing_gets_json() -> None:
    assert form_for({}) == "json"


# The page


@pytest.mark.parametrize("source", ["store", "none"], ids=["429", "503, while no store answers"])
def test_the_page_needs_no_style_no_script_and_no_network(source: Any) -> None:
    outline = Outline(page(REFUSED._replace(source=source), None))
    assert set(outline.tags) == {"html", "head", "meta", "title", "body", "h1", "p", "strong"}
    assert outline.attributes.keys() == {"lang", "charset", "name", "content"}
    assert outline.attributes["lang"] == "en"


def test_the_page_tells_how_long_to_wait() -> None:
    assert "Try again in 2 minutes." in Outline(page(REFUSED, None)).words


def test_the_limits_own_message_is_shown_and_escaped() -> None:
    text = page(REFUSED, "<script>alert(1)</script> {wait} & so on")
    assert "script" not in Outline(text).tags
    assert "<script>alert(1)</script> {wait} & so on" in Outline(text).words


# In an app


@pytest.mark.parametrize("count", [2, 3], ids=["by Flask", "in front of Flask"])
def test_a_refused_browser_gets_the_page(count: int) -> None:
    app, _ = site()
    reached: list[int] = []
    app.before_request(lambda: reached.append(1))
    refused = last_of(app, count, headers=BROWSER)
    assert (refused.status_code, refused.content_type) == (429, "text/html; charset=utf-8")
    assert Outline(refused.text).words.count("Too many requests") == 2
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers.getlist("Vary") == ["Accept"]
    assert refused.headers.getlist("X-RateLimit-Limit") == ["1"]
    assert int(refused.headers["Content-Length"]) == len(refused.data)
    # Only the first of them is refused by way of the app.
    assert reached == [1]


@pytest.mark.parametrize("count", [2, 3], ids=["by Flask", "in front of Flask"])
def test_a_program_is_told_that_the_form_varies(count: int) -> None:
    app, _ = site()
    refused = last_of(app, count)
    assert refused.get_json()["detail"]["limit"] == 1
    assert refused.headers.getlist("Vary") == ["Accept"]


def test_what_the_app_says_of_vary_stays() -> None:
    app, _ = site()

    @app.after_request
    def add(response: Response) -> Response:
        response.vary.add("Origin")
        return response

    assert last_of(app, headers=BROWSER).headers["Vary"] == "Accept, Origin"


def test_a_function_that_refuses_gives_the_page() -> None:
    app, limiter = site()

    @limiter.limit("1/hour", error_message="Only one report an hour.")
    def report() -> str:
        return "done"

    app.add_url_rule("/report", "report", lambda: report())
    refused = last_of(app, path="/report", headers=BROWSER)
    assert (refused.status_code, refused.mimetype) == (429, "text/html")
    assert "Only one report an hour." in refused.text


def test_a_refused_head_has_the_pages_headers_and_no_body() -> None:
    app, _ = site()
    last_of(app, headers=BROWSER)
    for _ in range(2):
        response = app.test_client().head("/x", headers=BROWSER)
        assert (response.status_code, response.mimetype) == (429, "text/html")
        assert response.data == b""


def test_without_a_store_the_page_says_that_the_site_cannot_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, _ = site(storage_uri="redis://127.0.0.1:1", on_store_error="deny", store_timeout=0.05)
    response = app.test_client().get("/x", headers=BROWSER)
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert "Temporarily unavailable" in response.text


# The app's own words


def test_the_apps_handler_goes_before_the_page() -> None:
    app, _ = site()
    app.register_error_handler(429, lambda error: ("the app's", 429))
    assert last_of(app, 3, headers=BROWSER).text == "the app's"


def template(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "irl"
    folder.mkdir()
    (folder / "429.html").write_text(text)
    return tmp_path


def test_a_template_of_the_apps_wins_for_browsers_alone(tmp_path: Path) -> None:
    folder = template(
        tmp_path, "{{ wait }}|{{ retry_after > 0 }}|{{ message }}|{{ decision.limit }}|{{ shop }}"
    )
    app, limiter = site(folder)
    app.context_processor(lambda: {"shop": "<Shop>"})
    app.add_url_rule("/y", "y", limiter.limit("1/hour", error_message="<slow>")(lambda: "y"))
    for count in (2, 1, 1):
        refused = last_of(app, count, "/y", headers=BROWSER)
        assert (refused.status_code, refused.content_type) == (429, "text/html; charset=utf-8")
        assert refused.text.partition("|")[2] == "True|&lt;slow&gt;|1|&lt;Shop&gt;"
        assert "Retry-After" in refused.headers
    assert last_of(app, 1, "/y").get_json()["detail"]["error"] == "<slow>"


def test_programs_are_refused_in_front_of_flask_though_the_app_has_a_template(
    tmp_path: Path,
) -> None:
    app, _ = site(template(tmp_path, "the app's"))
    reached: list[int] = []
    app.before_request(lambda: reached.append(1))
    last_of(app, 4)
    assert reached == [1]
    assert last_of(app, 1, headers=BROWSER).text == "the app's"


def test_a_function_that_refuses_gives_the_apps_template(tmp_path: Path) -> None:
    app, limiter = site(template(tmp_path, "the app's"))

    @limiter.limit("1/hour")
    def report() -> str:
        return "done"

    app.add_url_rule("/report", "report", lambda: report())
    assert last_of(app, path="/report", headers=BROWSER).text == "the app's"


@pytest.mark.parametrize(
    "text", ["{{ 1 // 0 }}", "{% if %}", "{% extends 'nothing.html' %}", "{{ missing() }}"]
)
def test_a_template_that_fails_costs_no_more_than_itself(tmp_path: Path, text: str) -> None:
    listener = Recorder()
    app, _ = site(template(tmp_path, text), listener=listener)
    refused = last_of(app, headers=BROWSER)
    assert (refused.status_code, refused.mimetype) == (429, "text/html")
    assert "Too many requests" in refused.text
    assert listener.callbacks_failed_at == ["template"]
    assert last_of(app, 1).get_json()["detail"]["limit"] == 1


def test_an_exception_made_by_hand_has_the_limiters_page() -> None:
    app = Flask("site")
    build: Callable[..., RateLimitExceeded] = RateLimitExceeded
    with app.test_request_context(headers=BROWSER):
        response = build(REFUSED, "slow down").get_response()
        assert response.content_type == "text/html; charset=utf-8"
