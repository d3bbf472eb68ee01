"""Hosts that train one site's models: one at a time, and none is left with half a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from flask_irl.training.lease import SECONDS
from tests.conftest import Clock
from tests.faketime import SetClock, server_with_clock
from tests.integration.hosts import PATIENCE, Host
from tests.redis_server import RedisServer, wait_until
from tests.training.endless import make_trainings_endless
from tests.training.site import Site as Trainings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LEASE = "irl1.{site}.lease.train"


@dataclass(frozen=True)
class Site:
    """Hold a store with rows, and two hosts whose trainings never end."""

    clock: SetClock
    client: redis.Redis
    store: RedisStore
    ahead: Host
    behind: Host


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    make_trainings_endless(tmp_path)
    clock = SetClock(tmp_path / "store")
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(binary=server_with_clock(), environ=clock.environ))
        store = RedisStore(locate(server.url), timeout=10.0)
        Trainings(Clock(), store).learn()  # type: ignore[arg-type]
        apps = {"site": {"storage_uri": server.url, "store_timeout": 10.0}}
        hosts = [
            stack.enter_context(
                Host(
                    apps,
                    clock=SetClock(tmp_path / f"host{seconds}", seconds),
                    environ={"PYTHONPATH": str(tmp_path)},
                )
            )
            for seconds in (90.0, -90.0)
        ]
        yield Site(clock, stack.enter_context(server.client()), store, *hosts)


def test_a_host_killed_in_mid_training_leaves_the_turn_and_no_model(site: Site) -> None:
    assert site.ahead.admin("site", "POST", "train")[0] == 202
    wait_until(lambda: site.client.get(LEASE), "a training", PATIENCE)
    first = site.client.get(LEASE)
    # One at a time, whatever the hosts' clocks say.
    assert site.behind.admin("site", "POST", "train")[0] == 409
    site.ahead.kill()
    assert site.behind.admin("site", "POST", "train")[0] == 409
    assert 0 < site.client.pttl(LEASE) <= SECONDS * 1000
    site.clock.set(SECONDS + 1)
    wait_until(lambda: not site.client.get(LEASE), "the end of the lease", PATIENCE)
    assert site.behind.admin("site", "POST", "train")[0] == 202
    wait_until(lambda: site.client.get(LEASE), "another training", PATIENCE)
    assert site.client.get(LEASE) != first
    assert (site.store.model_version(), site.store.model_versions()) == (0, [])
