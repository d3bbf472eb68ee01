"""Hold back newcomers' logins at a served app while a campaign runs on the login."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response, request
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter
from flask_irl.campaigns.campaign import Campaign, Subject, Table
from flask_irl.errors import StoreError
from flask_irl.limits.decision import Decision
from flask_irl.telemetry.events import CampaignRefused, ErrorSwallowed
from flask_irl.web.state import state_of
from tests.recorder import Recorder
from tests.web.sites import sites_of

LOGIN = Subject("login", "/login", "direct")


class Site:
    """An app with a login on which a campaign runs.

    Args:
        uri: The store's URI.
        late: Whether the limits depend on a hook of the app's.
        sort: The sort of the campaign's newcomers.
    """

    def __init__(
        self, uri: str, *, late: bool = False, sort: str = "direct", **options: object
    ) -> None:
        self.app = Flask("site")
        self.listener = Recorder()
        limiter = IntelligentLimiter(
            self.app,
            storage_uri=uri,
            background=False,
            store_timeout=5.0,
            listener=self.listener,
            **options,  # type: ignore[arg-type]
        )
        view: Callable[[], Response] = self._log_in
        if late:
            view = limiter.limit(lambda: "1000/minute")(view)
        self.app.add_url_rule("/login", "login", view, methods=["GET", "POST"])
        self.app.add_url_rule("/", "index", lambda: "hello", methods=["GET", "POST"])
        self.engine = state_of(self.app).limiter
        subject = LOGIN._replace(sort=sort)
        campaign = Campaign(subject, self.engine.store.now(), per_minute=0.25)
        self.engine.store.put_campaigns(0, Table({subject: campaign}).encode())
        self.engine.refresh()

    def _log_in(self) -> Response:
        good = request.method == "GET" or request.form.get("word") == "right"
        return Response("", 200 if good else 401)

    def post(self, client: str, word: str = "wrong") -> int:
        """Try to log in, and give the answer's status."""
        return self.ask("POST", client, "/login", word).status_code

    def ask(self, method: str, client: str, path: str, word: str = "") -> TestResponse:
        """Send a request of a client."""
        return self.app.test_client().open(
            path,
            method=method,
            data={"word": word} if word else None,
            environ_base={"REMOTE_ADDR": client},
        )


Build = Callable[..., Site]


@pytest.fixture
def build() -> Iterator[Build]:
    """Make sites, whose limiters are closed when the test ends."""
    yield from sites_of(Site)


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_an_error_of_the_limiters_own_fails_no_login(
    build: Build, uri: str, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(uri, late=late)

    def fail(clients: object) -> Decision:
        raise RuntimeError("of its own")

    monkeypatch.setattr(site.engine.store, "load", fail)
    assert site.post("203.0.113.1") == 401
    assert site.listener.of(ErrorSwallowed) == [ErrorSwallowed("campaign")]


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_newcomers_that_do_nothing_but_log_in_share_a_few_attempts(
    build: Build, uri: str, late: bool
) -> None:
    site = build(uri, late=late)
    answers = [site.post(f"203.0.113.{number}") for number in range(6)]
    assert answers == [401, 429, 429, 429, 429, 429]
    assert site.ask("POST", "203.0.113.9", "/login").headers["Retry-After"] == "60"
    assert site.listener.of(CampaignRefused)[0].kind == "login"


def test_all_else_goes_on_and_so_do_clients_that_came_by_a_page(build: Build, uri: str) -> None:
    site = build(uri)
    for number in range(4):
        client = f"203.0.113.{number}"
        assert site.ask("GET", client, "/").status_code == 200
        assert site.ask("GET", client, "/login").status_code == 200
        site.engine.flush()
        assert site.post(client) == 401


def test_a_client_that_has_logged_in_well_is_let_through(build: Build, uri: str) -> None:
    site = build(uri)
    assert site.post("203.0.113.1", "right") == 200
    site.engine.flush()
    assert [site.post("203.0.113.2"), site.post("203.0.113.1", "right")] == [429, 200]


def test_newcomers_that_have_failed_share_an_attempt_beside_the_first_ones(
    build: Build, uri: str
) -> None:
    site = build(uri)
    first = [site.post("203.0.113.1"), site.post("203.0.113.2")]
    site.engine.flush()
    again = [site.post("203.0.113.1"), site.post("203.0.113.1"), site.post("203.0.113.3")]
    assert (first, again) == ([401, 429], [401, 429, 429])


def test_a_change_elsewhere_that_succeeded_is_no_login(build: Build, uri: str) -> None:
    site = build(uri, sort="visitor")
    answers = []
    for number in range(5):
        assert site.ask("POST", f"203.0.113.{number}", "/").status_code == 200
        site.engine.flush()
        answers.append(site.post(f"203.0.113.{number}"))
    # One first try a minute.
    assert answers == [401, 429, 429, 429, 429]


def test_an_address_that_hurries_is_no_visitor_for_it(build: Build, uri: str) -> None:
    site = build(uri)
    answers = [site.post("203.0.113.1") for _ in range(4)]
    assert answers == [401, 429, 429, 429]


def test_allowed_and_exempt_clients_are_not_held_back(build: Build, uri: str) -> None:
    site = build(uri, allow=["203.0.113.0/24"])
    assert {site.post("203.0.113.1") for _ in range(5)} == {401}


def test_nobody_is_held_back_in_shadow_mode(build: Build, uri: str) -> None:
    site = build(uri, mode="shadow")
    assert {site.post(f"203.0.113.{number}") for number in range(5)} == {401}


def test_nobody_is_held_back_where_the_store_fails_to_tell_who_it_is(
    build: Build, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(uri)

    def fail(clients: object) -> Decision:
        raise StoreError("out", kind="timeout")

    monkeypatch.setattr(site.engine.store, "load", fail)
    assert {site.post(f"203.0.113.{number}") for number in range(3)} == {401}
