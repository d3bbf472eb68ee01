"""A real Prometheus that scrapes a real gunicorn of two workers: the figures are right."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.gunicorn_server import REDIS, START, Gunicorn
from tests.prometheus import PrometheusServer, scrape_config
from tests.servers import HOST, RedisServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LIMIT = 5
COUNTERS = '{__name__=~"(irl|flask)_.+_(total|sum|count|bucket)"}'
SCORES = "irl_anomaly_score_sum"
OF_ALL = "sum by (outcome, route) (irl_requests_total)"


class Site:
    """A protected site, the Prometheus that watches it, and what was sent so far."""

    def __init__(self, gunicorn: Gunicorn, prometheus: PrometheusServer, folder: Path) -> None:
        self.gunicorn = gunicorn
        self.prometheus = prometheus
        self._folder = folder
        # What was asked until it was ready.
        self._sent = Counter({("exempt", "/health"): gunicorn.healthy})

    def send(self, path: str, client: str, requests: int) -> None:
        """Some requests; one that isn't exempt counts as allowed or limited by its status."""
        for _ in range(requests):
            status = self.gunicorn.get(path, client).status
            outcome = "limited" if status == 429 else "allowed"
            if path == "/health":
                outcome = "exempt"
            self._sent[outcome, path] += 1

    def await_agreement(self) -> None:
        """Wait until Prometheus has just what was sent, by outcome and route."""
        sent = dict(self._sent)

        def agree() -> bool:
            seen = self.seen()
            # Never more, not even for one scrape.
            assert all(seen[key] <= sent.get(key, 0) for key in seen), (seen, sent)
            return seen == sent

        wait_until(agree, f"{sent} in Prometheus", START)

    def seen(self) -> dict[tuple[str, str], float]:
        """What Prometheus has, by outcome and route."""
        samples = self.prometheus.query(OF_ALL)
        return {(s.labels["outcome"], s.labels["route"]): s.value for s in samples}

    def replace_a_worker(self) -> None:
        """Kill one, and wait until its gauges are gone and another has some."""
        wait_until(lambda: len(self._workers()) == 2, "both workers", START)
        victim = min(self._workers())
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in self._workers(), "the end of its gauges", START)
        wait_until(lambda: len(self._workers()) == 2, "another worker", START)

    def _workers(self) -> set[int]:
        found = self._folder.glob("gauge_live*.db")
        return {int(path.stem.rsplit("_", 1)[1]) for path in found}


@pytest.fixture(scope="module")
def site(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    folder = home / "metrics"
    with redis_server.client() as client:
        client.flushall()
    gunicorn = Gunicorn(
        REDIS,
        home,
        REDIS_URL=redis_server.url,
        WEB_CONCURRENCY="2",
        BASE_LIMIT=str(LIMIT),
        WINDOW_SECONDS="3600",
        PROMETHEUS_MULTIPROC_DIR=str(folder),
    )
    with gunicorn:
        config = scrape_config({"app": f"{HOST}:{gunicorn.port}"})
        with PrometheusServer(config) as prometheus:
            yield Site(gunicorn, prometheus, folder)


def test_prometheus_has_just_the_requests_that_were_sent_also_after_a_worker_was_killed(
    site: Site,
) -> None:
    site.send("/", "visitor", LIMIT)
    site.send("/api/data", "flood", LIMIT + 7)
    site.send("/health", "monitor", 3)
    site.await_agreement()
    before = site.prometheus.value("irl_decision_seconds_count")
    assert before == LIMIT + LIMIT + 7

    site.replace_a_worker()
    site.send("/", "visitor", 4)
    site.send("/api/data", "newcomer", 2)
    site.await_agreement()
    assert site.prometheus.value("irl_decision_seconds_count") == before + 6


def test_no_counter_goes_backwards_when_a_worker_is_replaced(site: Site) -> None:
    site.send("/", "before", 2)
    site.await_agreement()
    site.replace_a_worker()
    site.send("/", "later", 1)
    site.await_agreement()
    counters = site.prometheus.query(f"group by (__name__) ({COUNTERS})")
    # A sum of scores falls: they are negative.
    names = [s.labels["__name__"] for s in counters if s.labels["__name__"] != SCORES]
    assert "irl_requests_total" in names
    # One by one: the result has no names.
    resets = {name: site.prometheus.value(f"max(resets({name}[1h]))") for name in names}
    assert resets == dict.fromkeys(names, 0.0)


def test_no_series_is_of_a_process(site: Site) -> None:
    site.send("/", "process", 1)
    site.await_agreement()
    assert site.prometheus.query('{job="app"}') != []
    assert site.prometheus.query('{pid!=""}') == []


def test_each_gauge_is_one_series_and_sensible_after_a_worker_died(site: Site) -> None:
    site.replace_a_worker()
    site.send("/", "gauge", 1)
    site.await_agreement()
    assert site.prometheus.value("irl_store_fallback") == 0
    assert site.prometheus.value("irl_flagged_clients") == 0
    # None was ever loaded, so none is told of.
    assert site.prometheus.value("irl_model_version") in (None, 0)


def test_scrapes_are_neither_counted_nor_limited(site: Site) -> None:
    for _ in range(LIMIT + 3):
        assert site.gunicorn.get("/metrics", "scraper").status == 200
    site.send("/", "scraped", 1)
    site.await_agreement()
    assert site.prometheus.query('{route="/metrics"}') == []
    assert site.prometheus.value("min_over_time(up[1h])") == 1
