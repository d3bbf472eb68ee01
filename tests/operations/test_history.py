"""Test the history of a site: the traffic that several workers of it told, over spans of time."""

from __future__ import annotations

import pytest

from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.operations.history import SPANS
from tests.operations.worker import Site, Worker

WORKERS = 2


def seen(site: Site, count: int = WORKERS) -> list[Worker]:
    return [site.worker(base_limit=2) for _ in range(count)]


def test_all_workers_traffic_is_in_every_span(site: Site) -> None:
    workers = seen(site)
    for worker in workers:
        for _ in range(3):
            worker.ask("a")
        worker.ask("b", status=404)
        worker.limiter.flush()
    for span in SPANS:
        found = workers[0].operations.history(span)
        # Four of a's six are over its limit of two.
        assert found["requests"][-1] == sum(found["requests"]) == 8
        assert (sum(found["counts"]["allowed"]), sum(found["counts"]["limited"])) == (4, 4)
        assert sum(sum(bucket) for bucket in found["scores"]) == 4


def test_a_span_has_an_entry_for_every_period(site: Site) -> None:
    [worker] = seen(site, 1)
    worker.ask()
    worker.limiter.flush()
    site.clock.advance(2)
    found = worker.operations.history("5m")
    assert {len(column) for column in found["counts"].values()} == {300}
    assert {len(bucket) for bucket in (*found["scores"], *found["latencies"])} == {300}
    assert (len(found["scores"]), len(found["latencies"])) == (10, 11)
    assert found["requests"][-3:] == [1, 0, 0]
    assert found["model_version"][-3:] == [0, None, None]
    assert found["since"] == int(site.clock()) - 299
    assert found["until"] == site.clock()


def test_what_flagged_clients_get_is_counted(site: Site) -> None:
    [worker] = seen(site, 1)
    worker.ask("mallory")
    worker.limiter.flush()
    worker.flag("mallory", step=1)
    site.clock.advance(70)
    for status in (200, 401, 404, 500):
        worker.ask("mallory", status=status)
        site.clock.advance(70)
    worker.limiter.flush()
    counts = worker.operations.history("1h")["counts"]
    told = {name: sum(counts[f"flagged_{name}"]) for name in ("fine", "denied", "missing", "other")}
    assert sum(counts["flagged"]) == 4
    assert told == {"fine": 1, "denied": 1, "missing": 1, "other": 1}


def test_times_of_decisions_are_counted_by_bucket(site: Site) -> None:
    [worker] = seen(site, 1)
    decision = worker.limiter.decide(worker.limiter.plan(()), ("a",))
    request = {"route": "/", "path": 1, "method": "GET", "status": 200, "size": 9}
    for seconds in (0.00005, 0.0002, 0.0002, 9.0, -1.0):
        worker.limiter.observe(decision, **request, seconds=seconds)  # type: ignore[arg-type]
    worker.limiter.flush()
    buckets = [sum(bucket) for bucket in worker.operations.history("5m")["latencies"]]
    assert buckets == [1, 2, *[0] * 8, 1]


def test_errors_of_the_store_are_told_with_the_next_traffic(site: Site) -> None:
    [worker] = seen(site, 1)
    worker.limiter.learning  # noqa: B018 - loads it, as a worker does at its start
    for _ in range(2):
        worker.limiter.failures.store_failed(StoreError("refused", kind="out", part="node"))
    for _ in range(2):
        worker.ask()
        worker.limiter.flush()
    assert sum(worker.operations.history("5m")["counts"]["store_errors"]) == 2


@pytest.mark.parametrize("span", ["", "2h", "5M", "-1"])
def test_another_span_is_refused_with_those_that_there_are(site: Site, span: str) -> None:
    [worker] = seen(site, 1)
    with pytest.raises(ConfigurationError, match="5m, 1h, 24h, 7d, 35d"):
        worker.operations.history(span)


def test_counts_that_a_store_did_not_take_are_told_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    [worker] = seen(site, 1)
    worker.ask()

    def fail(*_: object) -> None:
        raise StoreError("out", kind="connection")

    with monkeypatch.context() as patch:
        patch.setattr(worker.store, "add_counts", fail)
        with pytest.raises(StoreError):
            worker.limiter.flush()
    worker.ask()
    worker.limiter.flush()
    assert sum(worker.operations.history("5m")["requests"]) == 2
    assert worker.operations.report(1)["requests"] == 2
