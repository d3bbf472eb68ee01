"""Test the rankings of routes, clients, networks and plans over some days."""

from __future__ import annotations

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.stores.history import DAY, TALLIED
from tests.operations.test_report import ask
from tests.operations.worker import Site, Worker

OPTIONS = {"base_limit": 10, "min_clients": 1, "plans": {"pro": "600/minute", "free": "5/minute"}}


def names(worker: Worker, kind: str, order: str = "requests", days: int = 7) -> list[str]:
    found = worker.operations.analytics.read(days, order)
    return [entry["name"] for entry in found[kind]]  # type: ignore[literal-required]


def test_what_was_asked_for_is_ranked_over_days_and_workers(site: Site) -> None:
    one, two = (site.worker(**OPTIONS) for _ in range(2))
    ask(one, "203.0.113.1", 3, route="/a")
    ask(one, "198.51.100.1", 2, route="/b")
    one.limiter.flush()
    site.clock.advance(DAY)
    ask(two, "198.51.100.1", 4, route="/b")
    ask(two, "198.51.100.2", 14, 429, route="/c")
    two.limiter.flush()
    found = one.operations.analytics.read(2)
    assert [(entry["name"], entry["requests"]) for entry in found["routes"]] == [
        ("/c", 14),
        ("/b", 6),
        ("/a", 3),
    ]
    assert names(one, "clients") == ["198.51.100.2", "198.51.100.1", "203.0.113.1"]
    assert names(one, "networks") == ["198.51.100.0/24", "203.0.113.0/24"]
    assert names(one, "networks", days=1) == ["198.51.100.0/24"]
    assert [(day["requests"], day["refused"]) for day in found["days"]] == [(5, 0), (18, 4)]
    assert (found["total"]["requests"], found["total"]["refused_by_app"]) == (23, 10)
    assert found == two.operations.analytics.read(2)


def test_rankings_by_refusals_name_the_refused_alone(site: Site) -> None:
    worker = site.worker(**OPTIONS)
    ask(worker, "busy", 9, route="/a")
    ask(worker, "refused", 13, route="/b")
    worker.limiter.flush()
    worker.flag("busy")
    ask(worker, "busy", route="/a")
    worker.limiter.flush()
    found = worker.operations.analytics.read(1, "refused")
    assert found["clients"][0]["name"] == "refused"
    assert (found["clients"][0]["requests"], found["clients"][0]["refused"]) == (13, 3)
    assert names(worker, "clients", "flagged") == ["busy"]
    assert names(worker, "routes", "flagged") == ["/a"]


def test_plans_have_the_requests_that_were_decided_by_them(site: Site) -> None:
    worker = site.worker(**OPTIONS)
    operations = worker.operations
    for client in ("a", "b"):
        operations.plans.assign(client, "pro", seconds=3600, reason="", who="ada")
    ask(worker, "a", 4, plan="pro")
    ask(worker, "told-by-the-app", 3, 429, plan="pro")
    ask(worker, "c", 12, plan="free")
    ask(worker, "under-the-base-limit", 9)
    ask(worker, "of-a-plan-that-is-no-more", 9, plan="gone")
    worker.limiter.flush()
    free, pro = operations.analytics.read()["plans"]
    assert (pro["name"], pro["assigned"], pro["requests"]) == ("pro", 2, 7)
    assert (pro["refused"], pro["refused_by_app"]) == (0, 3)
    assert (free["name"], free["assigned"], free["requests"]) == ("free", 0, 12)
    assert free["refused"] == 2
    assert pro["limits"] == ["600 per 60 seconds"]
    assert names(worker, "plans", "refused") == ["free", "pro"]


def test_a_plan_without_requests_is_listed_with_none(site: Site) -> None:
    found = site.worker(**OPTIONS).operations.analytics.read()["plans"]
    assert [(plan["name"], plan["requests"]) for plan in found] == [("pro", 0), ("free", 0)]


def test_without_plans_none_is_listed(site: Site) -> None:
    assert site.worker().operations.analytics.read()["plans"] == []


def test_as_many_are_listed_as_were_asked_for(site: Site) -> None:
    worker = site.worker(**OPTIONS)
    for number in range(30):
        ask(worker, f"c{number:02}", 2 if number < 10 else 1)
    worker.limiter.flush()
    assert len(worker.operations.analytics.read(listed=10)["clients"]) == 10
    assert {
        entry["requests"] for entry in worker.operations.analytics.read(listed=10)["clients"]
    } == {2}
    assert len(worker.operations.analytics.read(listed=TALLIED)["clients"]) == 30


@pytest.mark.parametrize(("days", "order"), [(0, "requests"), (9, "requests"), (1, "nothing")])
def test_other_days_and_orders_are_refused(site: Site, days: int, order: str) -> None:
    with pytest.raises(ConfigurationError, match="give"):
        site.worker().operations.analytics.read(days, order)


def test_named_clients_are_described_in_order_and_unknown_ones_left_out(site: Site) -> None:
    worker = site.worker(**OPTIONS)
    ask(worker, "b")
    ask(worker, "a")
    worker.limiter.flush()
    found = worker.operations.analytics.named(["b", "nobody", "a", "b"])
    assert [entry["client"] for entry in found] == ["b", "a"]
    assert worker.operations.analytics.named([]) == []


def test_requests_are_never_fewer_than_the_refused_ones(site: Site) -> None:
    worker = site.worker(**OPTIONS)
    ask(worker, "198.51.100.1", 12)
    worker.limiter.flush()
    # Refusals are told with each flush, and all requests each few seconds.
    ask(worker, "198.51.100.1", 30)
    worker.limiter.flush()
    [client] = worker.operations.analytics.read()["clients"]
    [network] = worker.operations.analytics.read()["networks"]
    assert client["refused"] == network["refused"] == 32
    assert client["requests"] == network["requests"] == 32
