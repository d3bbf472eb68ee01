"""Hosts whose clocks are wrong by minutes, drift and are set: the store's clock counts."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from flask_irl.behaviour.profile import decode
from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from tests.faketime import SetClock, server_with_clock
from tests.integration.hosts import PATIENCE, Host
from tests.redis_server import RedisServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STRATEGIES = ("sliding-window-counter", "fixed-window", "gcra")
LIMIT = 500
WINDOW = 3600
TURN = 20
"""Requests that one host gets before it is another's turn."""
UNUSED = LIMIT // 50
"""Requests of leases that may be unused at a refusal."""
CLOCKS = {"ahead": 90.0, "behind": -90.0, "fast": 90.0, "slow": -90.0}
"""Seconds by which a host's clock is ahead at first."""
DRIFT = {"fast": 7.0, "slow": -7.0}
"""Seconds that a clock gains between two turns of its host."""
ABOUT = 10.0
"""Seconds that a busy machine may be late by: far less than the clocks are wrong."""
CLIENT, OTHER = "192.0.2.1", "192.0.2.2"
TRAP = "/wp-login.php"
BLOCKED = 120.0
"""Seconds of a block."""
LONGEST_HOLD = 3600.0


@dataclass(frozen=True)
class Site:
    """Hold a store and the hosts that share it, each with its clock."""

    server: RedisServer
    clock: SetClock
    hosts: dict[str, Host]
    clocks: dict[str, SetClock]

    def set(self, seconds: float) -> None:
        """Set the clock of the store so many seconds ahead of the test's."""
        self.clock.set(seconds)
        with self.server.client() as client:
            wait_until(lambda: abs(_now(client) - time.time() - seconds) < ABOUT, "the clock")

    def known(self, host: str, client: str) -> dict[str, Any]:
        """Tell what a host says of a client."""
        status, answer = self.hosts[host].admin("site", "GET", f"client/{client}")
        assert (status, type(answer)) == (200, dict)
        return dict(answer)

    def updated(self, client: str) -> float:
        """Tell the time of a client's latest request that was learned from; 0 for none."""
        [state] = RedisStore(locate(self.server.url), timeout=10.0).load([client])
        return 0.0 if state is None else float(decode([state.profile])["updated"][0])

    def wait_for(self, client: str, status: int) -> None:
        """Wait until all hosts answer a client so."""

        def answers() -> bool:
            return all(host.asks("site", client) == [status] for host in self.hosts.values())

        wait_until(answers, f"{status} for {client}", PATIENCE)

    def block(self, host: str, client: str) -> None:
        """Block a client or a network by the admin API of a host."""
        body = {"kind": "block", "seconds": BLOCKED, "reason": "a test"}
        status, _ = self.hosts[host].admin("site", "PUT", f"client/{client}/override", body)
        assert status == 200


def _seconds(moment: str) -> float:
    return datetime.datetime.fromisoformat(moment).timestamp()


def _now(client: Any) -> float:
    seconds, micros = client.time()
    return int(seconds) + int(micros) / 1e6


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("clocks")
    own = SetClock(folder / "store")
    clocks = {name: SetClock(folder / name, wrong) for name, wrong in CLOCKS.items()}
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(binary=server_with_clock(), environ=own.environ))
        common = {"storage_uri": server.url, "store_timeout": 10.0, "train": False}
        limits = {"base_limit": LIMIT, "window_seconds": WINDOW, "mode": "off"}
        apps: dict[str, dict[str, Any]] = {
            strategy: {**common, **limits, "strategy": strategy, "key_prefix": strategy}
            for strategy in STRATEGIES
        }
        apps["site"] = {**common, "base_limit": 100_000, "honeypots": [TRAP]}
        hosts = {
            name: stack.enter_context(Host(apps, clock=clock)) for name, clock in clocks.items()
        }
        yield Site(server, own, hosts, clocks)


@pytest.fixture(autouse=True)
def right_again(site: Site) -> None:
    site.set(0.0)
    for name, wrong in CLOCKS.items():
        site.clocks[name].set(wrong)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_limit_is_exact_over_all_hosts(site: Site, strategy: str) -> None:
    began = time.monotonic()
    # By GCRA some are let in again meanwhile.
    pace = LIMIT / WINDOW if strategy == "gcra" else 0.0

    def ask(turns: int) -> int:
        admitted = 0
        for turn in range(turns):
            name = list(CLOCKS)[turn % len(CLOCKS)]
            if name in DRIFT:
                site.clocks[name].set(CLOCKS[name] + turn * DRIFT[name])
            admitted += site.hosts[name].asks(strategy, *[CLIENT] * TURN).count(200)
        return admitted

    assert ask(LIMIT // TURN - 1) == LIMIT - TURN
    # Their clocks are set; it is still the same window.
    site.clocks["ahead"].set(-WINDOW)
    site.clocks["behind"].set(WINDOW)
    admitted = LIMIT - TURN + ask(3)
    assert LIMIT - UNUSED <= admitted <= LIMIT + pace * (time.monotonic() - began) + 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_window_is_over_by_the_clock_of_the_store(site: Site, strategy: str) -> None:
    assert site.hosts["ahead"].asks(strategy, *[OTHER] * (LIMIT - 1)).count(200) == LIMIT - 1
    site.set(2 * WINDOW)
    assert site.hosts["behind"].asks(strategy, *[OTHER] * (LIMIT - 1)).count(200) == LIMIT - 1


@pytest.mark.parametrize("name", ["ahead", "behind"])
def test_a_profile_has_the_time_of_the_store(site: Site, name: str) -> None:
    client = f"192.0.2.{list(CLOCKS).index(name) + 5}"
    assert site.hosts[name].asks("site", client) == [200]
    wait_until(lambda: site.updated(client) > 0.0, "a flush", PATIENCE)
    assert site.updated(client) == pytest.approx(time.time(), abs=ABOUT)


def test_an_override_ends_by_the_clock_of_the_store(site: Site) -> None:
    for seconds, client, status in ((60, "192.0.2.11", 429), (BLOCKED + 5, "192.0.2.12", 200)):
        site.set(0.0)
        site.block("ahead", client)
        end = site.known("behind", client)["override"]["until"]
        assert _seconds(end) == pytest.approx(time.time() + BLOCKED, abs=ABOUT)
        site.set(seconds)
        # Who knows of the block holds to it until the next look at the store's time.
        site.wait_for(client, status)


def test_a_step_is_the_same_on_all_hosts(site: Site) -> None:
    client = "192.0.2.21"
    site.hosts["ahead"].asks("site", client)
    site.hosts["ahead"].asks("site", client, path=TRAP)
    wait_until(lambda: site.known("behind", client)["step"] > 0, "a step", PATIENCE)
    ends = {site.known(name, client)["until"] for name in CLOCKS}
    assert len(ends) == 1
    [end] = ends
    assert 0.0 < _seconds(end) - time.time() < LONGEST_HOLD


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0, -1.7e9], ids=["back", "ahead", "to 1970"])
def test_background_work_goes_on_when_a_clock_is_set(site: Site, seconds: float) -> None:
    clock = site.clocks["ahead"]
    clock.set(seconds)
    for client in ("192.0.2.31", "192.0.2.32"):
        before = site.updated(client)
        site.hosts["ahead"].asks("site", client)
        wait_until(lambda c=client, b=before: site.updated(c) > b, "a flush", PATIENCE)  # type: ignore[misc]
        clock.set(0.0)


def test_a_block_outlives_an_outage_and_a_clock_that_is_set_meanwhile(site: Site) -> None:
    client = "192.0.2.41"
    site.block("behind", client)
    # A host that knows of this one, which it looks for now and then, knows the block, too.
    site.block("behind", "203.0.113.0/24")
    site.wait_for("203.0.113.1", 429)
    site.server.kill()
    try:
        for name, clock in site.clocks.items():
            for seconds in (90.0, 3600.0):
                clock.set(seconds)
                assert site.hosts[name].asks("site", client, OTHER) == [429, 200]
    finally:
        site.server.start()
