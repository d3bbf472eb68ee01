"""Show the recent requests of a client where the site keeps some, and keep none by default."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flask_irl.behaviour.recent import RecentRequest
from flask_irl.errors import StoreError
from flask_irl.operations.results import RecentRequestResult
from flask_irl.stores.recent import RecentBounds
from tests.operations.worker import ADA, Site, Worker


@pytest.fixture
def keeping(site: Site) -> Worker:
    """Make a worker that keeps three requests of each client."""
    return site.worker(recent_requests=3)


def recent(worker: Worker, client: str = "c") -> list[RecentRequestResult] | None:
    found = worker.operations.clients.describe(client)
    assert found is not None
    return found["recent_requests"]


def told(requests: Sequence[RecentRequestResult] | None) -> list[tuple[str, str, int, str]]:
    assert requests is not None
    return [(x["method"], x["route"], x["status"], x["outcome"]) for x in requests]


def test_the_latest_requests_are_told_the_latest_first(site: Site, keeping: Worker) -> None:
    there = site.worker(recent_requests=3)
    keeping.ask(status=500)
    keeping.ask(route="/item/<int:n>", path=7)
    keeping.limiter.flush()
    site.clock.advance(1)
    there.ask(route="/login", method="POST", status=401)
    there.ask("other")
    there.limiter.flush()
    site.clock.advance(1)
    keeping.ask(route="unmatched", status=404)
    keeping.limiter.flush()
    assert told(recent(there)) == [
        ("GET", "unmatched", 404, "allowed"),
        ("POST", "/login", 401, "allowed"),
        ("GET", "/item/<int:n>", 200, "allowed"),
    ]
    assert [x["at"] - site.clock() for x in recent(there) or ()] == [0.0, -1.0, -2.0]
    assert told(recent(there, "other")) == [("GET", "/", 200, "allowed")]


def test_refusals_are_told_with_their_number(site: Site, keeping: Worker) -> None:
    for _ in range(15):
        keeping.ask()
    keeping.limiter.flush()
    requests = recent(keeping)
    assert requests is not None
    assert {(x["status"], x["outcome"]) for x in requests[:1]} == {(429, "limited")}
    assert sum(x["times"] for x in requests if x["outcome"] == "limited") <= 5


def test_by_default_nothing_is_kept_nor_asked_of_the_store(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = site.worker()

    def fail(*_: object) -> None:
        raise StoreError("asked")

    for name in ("add_recent", "recent"):
        monkeypatch.setattr(here.store, name, fail)
    monkeypatch.setattr("flask_irl.verdicts.recent.recent_of", fail)
    here.ask()
    here.limiter.flush()
    assert recent(here) is None


def test_they_are_forgotten_with_their_client_and_not_put_back(site: Site, keeping: Worker) -> None:
    for name in ("c", "other"):
        keeping.ask(name)
    keeping.limiter.flush()
    keeping.operations.clients.reset("c", ADA)
    entry = keeping.audited()[0]
    site.clock.advance(1)
    keeping.operations.undo.undo(entry["at"], "c", ADA)
    assert recent(keeping) == []
    assert len(recent(keeping, "other") or ()) == 1
    keeping.operations.clients.reset_all(ADA)
    assert keeping.store.recent("other") == []


def test_requests_of_more_than_an_hour_ago_are_not_told(site: Site, keeping: Worker) -> None:
    keeping.ask()
    keeping.limiter.flush()
    site.clock.advance(3599)
    assert len(recent(keeping) or ()) == 1
    site.clock.advance(1)
    found = keeping.operations.clients.describe("c")
    assert found is None or found["recent_requests"] == []


def test_what_somebody_else_has_written_is_left_out(
    site: Site, keeping: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping.ask()
    keeping.limiter.flush()
    [good] = keeping.store.recent("c")
    monkeypatch.setattr(keeping.store, "recent", lambda client: [b"x", b"[]", good])
    assert len(recent(keeping) or ()) == 1


def ask_in_an_outage(worker: Worker, monkeypatch: pytest.MonkeyPatch, *statuses: int) -> None:
    """Let a client ask while the store takes no requests that are to be kept."""

    def fail(*_: object) -> None:
        raise StoreError("out", kind="timeout")

    with monkeypatch.context() as broken:
        broken.setattr(worker.store, "add_recent", fail)
        for status in statuses:
            worker.ask(status=status)
            with pytest.raises(StoreError):
                worker.limiter.flush()


def test_an_outage_loses_no_more_than_is_kept(
    keeping: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_in_an_outage(keeping, monkeypatch, 200, 201, 202, 203)
    keeping.ask(status=204)
    keeping.limiter.flush()
    assert [x["status"] for x in recent(keeping) or ()] == [204, 203, 202]


def test_what_waits_for_the_store_is_forgotten_with_all_clients(
    keeping: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_in_an_outage(keeping, monkeypatch, 500)
    keeping.operations.clients.reset_all(ADA)
    keeping.ask(status=201)
    keeping.limiter.flush()
    assert [x["status"] for x in recent(keeping) or ()] == [201]


def test_neither_path_nor_agent_nor_query_is_kept() -> None:
    assert RecentRequest._fields == ("at", "method", "route", "status", "outcome", "times")
    assert RecentBounds(5) == (5, 5000, 3600)
