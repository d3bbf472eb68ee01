"""Merge what several workers see, on each kind of store, and let an operator end a campaign."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_irl.campaigns.campaign import MUTED_SECONDS, Campaign, Subject, Table
from flask_irl.config.options import Options
from flask_irl.errors import ConfigurationError
from flask_irl.stores.base import Store
from flask_irl.stores.open import open_store
from tests.campaigns.traffic import START, Sent, Site
from tests.conftest import Clock
from tests.operations.worker import ADA, Worker
from tests.servers import ClusterServer

LOGIN = Subject("login", "/login", "direct")


@pytest.fixture(params=["memory", "redis", "cluster"])
def workers(request: pytest.FixtureRequest, clock: Clock) -> Iterator[tuple[Worker, Worker]]:
    """Make two workers that share a store of each kind."""
    if request.param == "memory":
        store: Store = open_store(Options(), clock)
        pair = (Worker(store, {}), Worker(store, {}))
    else:
        options = Options(storage_uri=_uri(request))
        pair = (Worker(open_store(options, clock), {}), Worker(open_store(options, clock), {}))
    yield pair
    for worker in pair:
        worker.limiter.close()


def _uri(request: pytest.FixtureRequest) -> str:
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    cluster: ClusterServer = request.getfixturevalue("redis_cluster")
    with cluster.nodes[0].client() as client:
        client.flushall()
    return cluster.url


def attack(workers: tuple[Worker, Worker], clock: Clock, seconds: int) -> None:
    """Let one new address after the other fail to log in, half of them at each worker."""
    for second in range(0, seconds, 3):
        for worker in workers:
            for number in range(2):
                client = f"10.{number}.{second // 256}.{second % 256}-{id(worker) % 97}"
                worker.ask(client, "/login", status=401, method="POST")
            worker.limiter.flush()
        clock.advance(3.0)


def test_what_workers_see_adds_up_and_all_hold_newcomers_back(
    workers: tuple[Worker, Worker], clock: Clock
) -> None:
    attack(workers, clock, 120)
    for worker in workers:
        worker.limiter.refresh()
        assert worker.limiter.learning.campaigns.table.campaigns.keys() == {LOGIN}
        assert worker.limiter.campaigns.check is not None
    [state] = workers[1].operations.campaigns.running()
    assert state["target"] == "/login"
    assert state["clients"] > 20


def test_a_campaign_is_named_after_the_clock_was_set_back(clock: Clock) -> None:
    worker = Worker(open_store(Options(), clock), {})
    worker.ask("192.0.2.1")
    worker.limiter.flush()
    clock.advance(-3600.0)
    attack((worker, worker), clock, 120)
    assert worker.limiter.learning.campaigns.table.campaigns.keys() == {LOGIN}


def test_an_operator_ends_a_campaign_in_all_workers_and_none_is_named_for_the_same(
    workers: tuple[Worker, Worker], clock: Clock
) -> None:
    attack(workers, clock, 120)
    here, there = workers
    [state] = here.operations.campaigns.running()
    ended = here.operations.campaigns.end(state["id"], ADA, "our own test")
    assert ended is not None
    assert ended["until"] == pytest.approx(clock.now + MUTED_SECONDS)
    [entry] = here.operations.audit.entries()[0]
    assert (entry["action"], entry["target"], entry["who"]) == ("end_campaign", state["id"], ADA)
    attack(workers, clock, 90)
    there.limiter.refresh()
    assert there.operations.campaigns.running() == []
    assert there.limiter.campaigns.check is None


def test_a_campaign_of_no_such_id_is_not_ended(clock: Clock) -> None:
    worker = Worker(open_store(Options(), clock), {})
    assert worker.operations.campaigns.end("4189c322", ADA) is None
    assert worker.operations.audit.entries()[1] == 0
    with pytest.raises(ConfigurationError, match="reason"):
        worker.operations.campaigns.end("4189c322", ADA, "x" * 501)


def test_a_client_is_told_of_the_campaign_that_it_is_part_of(clock: Clock) -> None:
    worker = Worker(open_store(Options(), clock), {})
    campaign = Campaign(LOGIN, clock.now, per_minute=0.5)
    worker.store.put_campaigns(0, Table({LOGIN: campaign}).encode())
    worker.ask("10.1.1.1", "/login", status=401, method="POST")
    worker.ask("10.1.1.2", "/other")
    worker.limiter.flush()
    part, other = (worker.operations.clients.describe(f"10.1.1.{n}") for n in (1, 2))
    assert part is not None
    assert other is not None
    assert part["rules"] == ["part of a campaign on /login since 2023-11-14T22:13:20Z"]
    assert other["rules"] == []


def test_a_login_that_is_sent_to_two_workers_at_once_is_no_visitors_at_either(
    workers: tuple[Worker, Worker], clock: Clock
) -> None:
    workers[0].store.put_campaigns(
        0, Table({LOGIN: Campaign(LOGIN, clock.now, per_minute=0.5)}, workers=2).encode()
    )
    passed = 0
    for number in range(30):
        for worker in workers:
            limiter = worker.limiter
            limiter.refresh()
            decision = limiter.decide(limiter.plan(()), (f"10.3.{number}.1",))
            assert limiter.campaigns.check is not None
            passed += limiter.campaigns.check(decision, "/login", "POST").admitted
            clock.advance(0.1)
    assert passed <= 4


def test_newcomers_that_change_something_elsewhere_first_are_held_back_and_counted() -> None:
    site = Site()
    subject = LOGIN._replace(sort="visitor")
    campaign = Campaign(subject, START, per_minute=0.5)
    site.limiter.store.put_campaigns(0, Table({subject: campaign}).encode())

    def attack() -> Iterator[Sent]:
        for number in range(60):
            client = f"10.2.3.{number}"
            yield Sent(number, client, "/letter", "/letter", "POST")
            yield Sent(number + 10, client, "/login", "/login", "POST", 401, "stuffing")

    site.run(attack())
    assert site.share("stuffing") >= 0.9
    [now] = site.running()
    assert now.requests >= 50


def test_while_no_campaign_runs_a_request_costs_nothing_more(clock: Clock) -> None:
    worker = Worker(open_store(Options(), clock), {})
    worker.ask()
    worker.limiter.flush()
    worker.limiter.refresh()
    assert worker.limiter.campaigns.check is None
    # A campaign of newcomers elsewhere is a matter of flushes alone.
    subject = Subject("site", "", "taking")
    worker.store.put_campaigns(0, Table({subject: Campaign(subject, clock.now)}).encode())
    worker.limiter.refresh()
    assert worker.limiter.campaigns.check is None
