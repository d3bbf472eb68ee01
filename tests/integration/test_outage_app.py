"""A real app on a real Redis that fails: refused, frozen, killed, never there, in mid-flight."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.limiter.limiter import Limiter
from flask_irl.web.state import AppState, state_of
from tests.servers import RedisServer, wait_until

pytestmark = pytest.mark.integration

TIMEOUT = 0.1
SLACK = 1.5
"""What a busy machine may add; a client without a time budget waits far longer."""
BACK = 15.0
FAILURES = 3
LIMIT = 12

Break = Callable[[RedisServer], None]


class Site:
    """An app on a server, with a count of the calls of its store."""

    def __init__(
        self, server: RedisServer, monkeypatch: pytest.MonkeyPatch, **options: Any
    ) -> None:
        self.app = Flask("site")
        self.app.add_url_rule("/", "index", lambda: "hello")
        self.limiter = IntelligentLimiter(
            self.app,
            **{
                "storage_uri": server.url,
                "store_timeout": TIMEOUT,
                "base_limit": LIMIT,
                "background": False,
                **options,
            },
        )
        self.calls = 0
        store = self.engine.store

        def counted(call: Callable[..., Any], *arguments: Any) -> Any:
            self.calls += 1
            return call(*arguments)

        for name in ("hit", "end"):
            monkeypatch.setattr(store, name, partial(counted, getattr(store, name)))

    @property
    def state(self) -> AppState:
        return state_of(self.app)

    @property
    def engine(self) -> Limiter:
        return self.state.limiter

    @property
    def healthy(self) -> bool:
        with self.app.app_context():
            return self.limiter.healthy

    def ask(self, client: str = "192.0.2.1") -> int:
        """One request's status; fails when it took too long."""
        started = time.monotonic()
        response = self.app.test_client().get("/", environ_base={"REMOTE_ADDR": client})
        assert time.monotonic() - started < TIMEOUT + SLACK
        return response.status_code

    def asks(self, count: int, client: str = "192.0.2.1") -> list[int]:
        return [self.ask(client) for _ in range(count)]

    def source(self, client: str) -> str:
        """Who decides on a request now."""
        return self.engine.decide(self.engine.plan(()), (client,)).source


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


Make = Callable[..., Site]


@pytest.fixture
def make(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    sites: list[Site] = []

    def build(**options: Any) -> Site:
        sites.append(Site(server, monkeypatch, **options))
        return sites[-1]

    yield build
    for site in sites:
        site.engine.close()


def freeze(server: RedisServer) -> None:
    server.freeze()


def kill(server: RedisServer) -> None:
    server.kill()


def stop(server: RedisServer) -> None:
    server.stop()


def mend(server: RedisServer, broken: Break) -> None:
    if broken is freeze:
        server.thaw()
    else:
        server.start()


def changes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The log's lines about the store being lost or back."""
    words = (record.getMessage().split()[0] for record in caplog.records)
    return [word for word in words if word in ("store_lost", "store_back")]


breaking = pytest.mark.parametrize("broken", [freeze, kill, stop])


@breaking
def test_the_local_limiter_takes_over_and_the_store_is_back_within_seconds(
    server: RedisServer, make: Make, broken: Break, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    site = make()
    assert site.asks(2) == [200, 200]
    assert site.healthy
    broken(server)
    before = site.calls
    # Nobody can tell what was counted: the local limiter holds the full limit, from now on.
    assert site.asks(LIMIT + 3) == [*[200] * LIMIT, 429, 429, 429]
    assert site.calls - before == FAILURES
    assert not site.healthy
    assert site.asks(LIMIT + 1, "192.0.2.2") == [*[200] * LIMIT, 429]
    assert site.calls - before == FAILURES
    assert changes(caplog) == ["store_lost"]

    mend(server, broken)
    wait_until(lambda: site.healthy, "the store being back", BACK)
    assert site.ask("192.0.2.3") == 200
    assert site.source("192.0.2.3") == "store"
    wait_until(lambda: len(changes(caplog)) == 2, "the line that says so", BACK)
    assert changes(caplog) == ["store_lost", "store_back"]


def test_a_server_that_was_never_there(
    server: RedisServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    site = make()
    assert site.asks(LIMIT + 1) == [*[200] * LIMIT, 429]
    assert site.calls == FAILURES
    assert not site.healthy
    server.start()
    wait_until(lambda: site.healthy, "the store being back", BACK)
    assert site.source("192.0.2.3") == "store"
    assert changes(caplog) == ["store_lost", "store_back"]


@breaking
@pytest.mark.parametrize(("then", "status"), [("allow", 200), ("deny", 503)])
def test_the_option_decides(
    server: RedisServer, make: Make, broken: Break, then: str, status: int
) -> None:
    site = make(on_store_error=then)
    assert site.ask() == 200
    broken(server)
    assert site.asks(LIMIT + 3) == [status] * (LIMIT + 3)
    assert site.calls == 1 + FAILURES
    mend(server, broken)
    wait_until(lambda: site.healthy, "the store being back", BACK)
    assert site.ask("192.0.2.3") == 200


def test_who_is_known_to_be_over_stays_so_without_the_store(
    server: RedisServer, make: Make
) -> None:
    site = make()
    assert site.asks(LIMIT + 1)[-1] == 429
    server.kill()
    assert site.asks(3) == [429] * 3


@breaking
def test_in_mid_flight_no_request_fails(server: RedisServer, make: Make, broken: Break) -> None:
    site = make(base_limit=1_000_000)
    found: list[int] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                found.append(site.ask(f"192.0.2.{threading.get_ident() % 250}"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        broken(server)
        wait_until(lambda: not site.healthy, "the outage being noticed", BACK)
        mend(server, broken)
        wait_until(lambda: site.healthy, "the store being back", BACK)
        so_far = len(found)
        wait_until(lambda: errors or len(found) > so_far + 50, "requests going on", BACK)
    finally:
        done.set()
        for thread in threads:
            thread.join(BACK)
    assert errors == []
    assert set(found) == {200}


def test_idle_connections_that_the_server_closed_cost_no_request(
    server: RedisServer, make: Make
) -> None:
    site = make()
    site.ask()
    server.restart()
    assert site.source("192.0.2.1") == "store"
    assert site.healthy


@pytest.mark.slow
def test_with_background_work_the_outage_is_noticed_and_ends(
    server: RedisServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    site = make(background=True, base_limit=1_000)
    site.asks(5)
    server.kill()
    # Flushing and polling fail, too; nobody has to ask for anything.
    wait_until(lambda: not site.healthy, "the outage being noticed", BACK)
    assert site.asks(5) == [200] * 5
    server.start()
    wait_until(lambda: site.healthy, "the store being back", BACK)
    assert site.source("192.0.2.9") == "store"
    site.asks(5)

    def learned() -> bool:
        return site.engine.store.counts().get("requests", 0) >= 5

    wait_until(learned, "learning to go on", BACK)
    assert changes(caplog) == ["store_lost", "store_back"]
    assert not [r for r in caplog.records if "limiter_error" in r.getMessage()]


@pytest.mark.parametrize("uri", ["redis://:letmein@{}", "redis://somebody:letmein@{}"])
def test_a_wrong_password_is_an_outage_that_tells_no_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, uri: str
) -> None:
    with RedisServer(config={"requirepass": "right"}) as server:
        address = f"127.0.0.1:{server.port}"
        site = Site(server, monkeypatch, storage_uri=uri.format(address), store_timeout=5.0)
        try:
            assert [site.app.test_client().get("/").status_code for _ in range(LIMIT + 1)] == [
                *[200] * LIMIT,
                429,
            ]
            assert site.calls == FAILURES
        finally:
            site.engine.close()
    assert "kind=response" in caplog.text
    assert "letmein" not in caplog.text


def test_a_server_that_answers_but_refuses_to_write_is_one_outage_until_it_does(
    server: RedisServer,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    site = make(store_timeout=5.0)
    site.ask()
    pings: list[None] = []
    ping = site.engine.store.ping
    monkeypatch.setattr(site.engine.store, "ping", lambda: pings.append(ping()))
    with server.client() as client:
        client.config_set("maxmemory", "1")
        assert site.asks(LIMIT + 1) == [*[200] * LIMIT, 429]
        wait_until(lambda: len(pings) == 3, "some answers to probes", BACK)
        assert not site.healthy
        client.config_set("maxmemory", "0")
    wait_until(lambda: site.healthy, "the store being back", BACK)
    assert site.source("192.0.2.9") == "store"
    assert changes(caplog) == ["store_lost", "store_back"]
    assert "kind=response" in caplog.text
