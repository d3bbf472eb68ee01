"""A rolling upgrade: workers of an earlier build and of this one share a store, losing nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.integration.hosts import PATIENCE, Host
from tests.integration.old_build import check_out_old
from tests.redis_server import RedisServer, wait_until

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STRATEGIES = ("sliding-window-counter", "fixed-window", "gcra")
FEW, MANY = 12, 500
"""Limits below and above that from which clients get quota leases."""
UNUSED = MANY // 50
WINDOW = 3600
TURN = 20

Build = Literal["old", "new"]
BOTH_WAYS: tuple[tuple[Build, Build], ...] = (("old", "new"), ("new", "old"))


@dataclass(frozen=True)
class Site:
    """Hold a worker of each build, and their logs."""

    workers: dict[Build, Host]
    logs: dict[Build, Path]

    def override(self, build: Build, client: str, **change: Any) -> None:
        """Override a client's limits by the admin API of a build."""
        body = {"seconds": 600, "reason": "a test", **change}
        path = f"client/{client}/override"
        assert self.workers[build].admin("site", "PUT", path, body)[0] == 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("upgrade")
    old = check_out_old(folder)
    logs: dict[Build, Path] = {"old": folder / "old.log", "new": folder / "new.log"}
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer())
        common = {"storage_uri": server.url, "store_timeout": 10.0, "train": False}
        limits = {"window_seconds": WINDOW, "mode": "off", **common}
        apps: dict[str, dict[str, Any]] = {"site": {**common, "base_limit": 100_000}}
        for strategy in STRATEGIES:
            for limit in (FEW, MANY):
                prefix = f"{strategy}{limit}"
                own = {"strategy": strategy, "base_limit": limit, "key_prefix": prefix}
                apps[prefix] = {**limits, **own}
        workers: dict[Build, Host] = {
            "old": stack.enter_context(Host(apps, build=old, log=logs["old"])),
            "new": stack.enter_context(Host(apps, log=logs["new"])),
        }
        yield Site(workers, logs)


@pytest.fixture(autouse=True)
def without_a_word(site: Site) -> Iterator[None]:
    yield
    for log in site.logs.values():
        said = log.read_text()
        for word in ("Traceback", "state_damaged", "limiter_error", "store_error"):
            assert word not in said, said


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("first", "then"), BOTH_WAYS)
def test_a_client_at_its_limit_stays_there(
    site: Site, strategy: str, first: Build, then: Build
) -> None:
    client = f"192.0.2.{1 + BOTH_WAYS.index((first, then))}"
    app = f"{strategy}{FEW}"
    assert site.workers[first].asks(app, *[client] * FEW) == [200] * FEW
    assert site.workers[then].asks(app, client) == [429]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_limit_is_exact_over_both(site: Site, strategy: str) -> None:
    admitted = 0
    for turn in range(MANY // TURN + 2):
        build = BOTH_WAYS[turn % 2][0]
        admitted += site.workers[build].asks(f"{strategy}{MANY}", *["192.0.2.3"] * TURN).count(200)
    # One more for what GCRA lets in meanwhile.
    assert MANY - UNUSED <= admitted <= MANY + 1


@pytest.mark.parametrize(("first", "then"), BOTH_WAYS)
def test_an_override_by_either_holds_in_both(site: Site, first: Build, then: Build) -> None:
    client = f"192.0.2.{11 + BOTH_WAYS.index((first, then))}"
    site.override(first, client, kind="block")
    assert site.workers[then].asks("site", client) == [429]
    site.override(then, client, kind="limit", amount=3)
    # A worker that has refused it may go on for two seconds.
    wait_until(lambda: site.workers[first].asks("site", client) == [200], "a look", PATIENCE)
    assert site.workers[then].asks("site", *[client] * 3)[-1] == 429


@pytest.mark.parametrize(("first", "then"), BOTH_WAYS)
def test_both_learn_from_the_same_client(site: Site, first: Build, then: Build) -> None:
    client = f"192.0.2.{21 + BOTH_WAYS.index((first, then))}"
    for build in (first, then, first):
        site.workers[build].asks("site", *[client] * 5)

        def learned(build: Build = build) -> bool:
            _, found = site.workers[build].admin("site", "GET", f"client/{client}")
            return bool(found["requests_per_minute"])

        wait_until(learned, "a flush", PATIENCE)
