"""Test names of clients that the app gives, shown wherever clients are."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, current_app, request

from flask_irl import ConfigurationError, IntelligentLimiter
from flask_irl.cli import irl
from flask_irl.telemetry.events import CallbackFailed, Event
from flask_irl.web.labels import MAX_CHARACTERS
from flask_irl.web.state import state_of

TOKEN = "t" * 32
NAMES = {"key-1": "Acme Ltd", "key-2": "Hooli"}


class Events:
    """Keep the events of a limiter."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def notify(self, event: Event) -> None:
        self.seen.append(event)


class Site:
    """Serve an app whose clients have names, with the admin API and the commands."""

    def __init__(self, label_of: Callable[[str], Any]) -> None:
        self.app = Flask("site")
        self.events = Events()
        self.app.config["NAMES"] = NAMES
        IntelligentLimiter(
            self.app,
            background=False,
            admin_token=TOKEN,
            key_func=lambda: request.headers.get("X-Client"),
            label_of=label_of,
            listener=self.events,
        )
        self.app.add_url_rule("/", "index", lambda: "hello")
        self.app.cli.add_command(irl)
        self.engine = state_of(self.app).limiter

    def ask(self, *clients: str) -> None:
        for client in clients:
            self.app.test_client().get("/", headers={"X-Client": client})
        self.engine.flush()

    def admin(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self.app.test_client().get(f"/admin/{path}", headers=headers).json

    def run(self, *arguments: str) -> str:
        result = self.app.test_cli_runner().invoke(args=["irl", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    def labels(self) -> dict[str, str | None]:
        return {entry["client"]: entry["label"] for entry in self.admin("clients")["clients"]}


@pytest.fixture
def make() -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def build(label_of: Callable[[str], Any]) -> Site:
        sites.append(Site(label_of))
        return sites[-1]

    yield build
    for site in sites:
        site.engine.close()


def test_a_client_is_shown_with_its_name(make: Callable[..., Site]) -> None:
    site = make(NAMES.get)
    site.ask("key-1", "key-2", "key-3")
    expected = {"key-1": "Acme Ltd", "key-2": "Hooli", "key-3": None}
    assert site.labels() == expected
    listed = json.loads(site.run("clients", "--json"))
    assert {entry["client"]: entry["label"] for entry in listed} == expected
    assert site.admin("client/key-1")["label"] == "Acme Ltd"
    assert json.loads(site.run("client", "key-2", "--json"))["label"] == "Hooli"
    assert "label" in site.run("client", "key-1")
    assert "Acme Ltd" in site.run("clients")
    assert "Hooli" in site.run("find", "key")


def test_no_request_asks_for_a_name(make: Callable[..., Site]) -> None:
    asked: list[str] = []
    site = make(asked.append)
    site.ask("key-1", "key-2")
    assert asked == []
    site.admin("clients")
    assert sorted(asked) == ["key-1", "key-2"]


def test_only_clients_on_a_page_are_asked_for(make: Callable[..., Site]) -> None:
    asked: list[str] = []
    site = make(asked.append)
    site.ask(*(f"c{number}" for number in range(30)))
    site.admin("clients?page_size=3&step=0")
    site.admin("clients?page_size=2&q=c")
    assert len(asked) == 5


def test_a_function_may_use_the_app_and_be_async(make: Callable[..., Site]) -> None:
    async def label_of(client: str) -> str | None:
        names: dict[str, str] = current_app.config["NAMES"]
        return names.get(client)

    site = make(label_of)
    site.ask("key-1")
    assert site.labels() == {"key-1": "Acme Ltd"}
    assert "Acme Ltd" in site.run("clients")


@pytest.mark.parametrize("returned", [None, ""])
def test_a_client_may_have_no_name(make: Callable[..., Site], returned: object) -> None:
    site = make(lambda client: returned)
    site.ask("key-1")
    assert site.labels() == {"key-1": None}
    assert "label" not in site.run("clients")
    assert site.events.seen.count(CallbackFailed("label_of")) == 0


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (7, "int: give a text or None"),
        (b"Acme", "bytes: give a text or None"),
        (lambda: "Acme", "function: give a text or None"),
        (RuntimeError("no database"), "no database"),
    ],
)
def test_a_name_that_is_none_and_a_function_that_fails_are_reported_and_do_no_harm(
    make: Callable[..., Site], caplog: pytest.LogCaptureFixture, returned: object, message: str
) -> None:
    def label_of(client: str) -> object:
        if isinstance(returned, Exception):
            raise returned
        return returned

    site = make(label_of)
    site.ask("key-1")
    with caplog.at_level(logging.WARNING, "flask_irl"):
        assert site.labels() == {"key-1": None}
    assert site.events.seen.count(CallbackFailed("label_of")) == 1
    [line] = [x.getMessage() for x in caplog.records if "callback_error" in x.getMessage()]
    assert "where=label_of" in line
    assert message in line


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[31mred", "\ufffd[31mred"),
        ("two\r\nlines", "two\ufffd\ufffdlines"),
        ("turned\u202eback", "turned\ufffdback"),
        ("bad\udc80", "bad\ufffd"),
        ("x" * 500, "x" * (MAX_CHARACTERS - 1) + "…"),
    ],
)
def test_a_name_is_one_printable_line(make: Callable[..., Site], name: str, shown: str) -> None:
    site = make(lambda client: name)
    site.ask("key-1")
    assert site.labels() == {"key-1": shown}
    assert all(line.isprintable() for line in site.run("clients").splitlines())


def test_what_is_no_function_is_refused_at_start() -> None:
    with pytest.raises(ConfigurationError, match="label_of 'name' is not allowed: give a function"):
        IntelligentLimiter(label_of="name")  # type: ignore[arg-type]
