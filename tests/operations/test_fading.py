"""Test that ranks, rates and scores are those of now, with each kind of store."""

from __future__ import annotations

import math

import pytest

from flask_irl.model.model import Model
from flask_irl.operations.results import ClientEntry
from flask_irl.verdicts.ladder import MILD
from tests.operations.worker import Site, Worker, attack, override


def entries(worker: Worker, order: str = "active") -> dict[str, ClientEntry]:
    return {entry["client"]: entry for entry in worker.operations.clients.ranked(order=order)[0]}


def flood(site: Site, worker: Worker, client: str, seconds: int) -> None:
    for _ in range(seconds):
        worker.admitted(10, client)
        site.clock.advance(1)
        worker.limiter.flush()


def test_who_has_ended_comes_after_who_goes_on(site: Site, here: Worker) -> None:
    flood(site, here, "flood", 20)
    assert list(entries(here)) == ["flood"]
    site.clock.advance(300)
    here.admitted(5, "calm")
    here.limiter.flush()
    assert list(entries(here)) == ["calm", "flood"]
    here.admitted(12, "greedy")
    here.limiter.flush()
    assert next(iter(entries(here, "refused"))) == "flood"
    site.clock.advance(3000)
    here.admitted(12, "greedy")
    here.limiter.flush()
    assert next(iter(entries(here, "refused"))) == "greedy"


def test_a_rate_fades_when_it_is_read(site: Site, here: Worker) -> None:
    flood(site, here, "flood", 20)
    before = entries(here)["flood"]["requests_per_minute"]
    site.clock.advance(120)
    found = here.operations.clients.describe("flood")
    assert found is not None
    after = [entries(here)["flood"]["requests_per_minute"], found["requests_per_minute"]]
    assert after == pytest.approx([before * math.exp(-2)] * 2, rel=1e-3)
    assert found["features"]["requests_per_minute"] == pytest.approx(after[0], rel=1e-2)


def test_nobody_is_active_or_refused_long_after_all_traffic_has_ended(
    site: Site, here: Worker
) -> None:
    flood(site, here, "flood", 20)
    override(here, "block", "flood", seconds=7200.0)
    site.clock.advance(3000)
    listed = {order: list(entries(here, order)) for order in ("active", "anomalous")}
    assert listed == {"active": [], "anomalous": []}
    site.clock.advance(4000)
    assert here.operations.clients.ranked(order="refused") == ([], 0)
    assert list(entries(here, "overridden")) == ["flood"]


def test_pages_and_totals_are_of_those_that_are_listed(site: Site, here: Worker) -> None:
    here.admitted(3, "gone")
    here.limiter.flush()
    site.clock.advance(3600)
    for name, count in (("a", 1), ("b", 2), ("c", 3)):
        here.admitted(count, name)
    here.limiter.flush()
    page, total = here.operations.clients.ranked(offset=1, limit=1)
    assert ([entry["client"] for entry in page], total) == (["b"], 3)
    page, total = here.operations.clients.ranked(step=0, offset=2)
    assert ([entry["client"] for entry in page], total) == (["a"], 3)


@pytest.mark.parametrize("seconds", [60, 600, 3000])
def test_a_score_read_later_is_that_of_the_judge_at_the_next_request(
    site: Site, trained: Model, seconds: float
) -> None:
    here = site.worker(base_limit=1000)
    here.publish(trained)
    here.limiter.refresh()
    attack(site, here)
    then = entries(here, "anomalous")["mallory"]["score"]
    site.clock.advance(seconds)
    found = here.operations.clients.describe("mallory")
    assert found is not None
    assert found["step"] > 0
    read = found["score"]
    here.ask("mallory", "/a")
    here.limiter.flush()
    [state] = here.store.load(["mallory"])
    assert state is not None
    assert read == pytest.approx(state.score, abs=0.1)
    assert then < -0.9
    assert read > MILD - 0.01 or seconds < 3000


def test_the_anomalous_are_in_the_order_of_their_scores_as_of_now(
    site: Site, trained: Model
) -> None:
    here = site.worker(base_limit=1000, unknown_paths=0)
    here.publish(trained)
    here.limiter.refresh()
    attack(site, here, "first", first_path=1000)
    site.clock.advance(2400)
    attack(site, here, "second", seconds=20, first_path=5000)
    listed = entries(here, "anomalous")
    assert list(listed) == ["second", "first"]
    scores = [entry["score"] for entry in listed.values()]
    assert scores == sorted(scores)


def test_values_of_workers_of_an_earlier_version_do_no_harm(here: Worker) -> None:
    here.store.rank("active", {"old": 579.0})
    for client in ("old", "new", "new"):
        here.ask(client)
    here.limiter.flush()
    here.store.rank("active", {"old": 579.0, "older": 60_000.0})
    assert list(entries(here)) == ["new", "old"]


def test_when_and_why_somebody_is_held_is_told(site: Site) -> None:
    here = site.worker(base_limit=1000, window_seconds=60)
    attack(site, here, seconds=20)
    [entry] = entries(here, "flagged").values()
    since, until = entry["since"], entry["until"]
    assert since is not None
    assert until is not None
    assert 0 < site.clock() - since <= 20
    assert until - since in (60.0, 120.0, 240.0)
    assert "guesses at paths that don't exist within an hour" in entry["reason"]
    began = site.clock()
    override(here, "limit", "mallory", reason="Scans.", seconds=600.0)
    [entry] = entries(here, "overridden").values()
    assert (entry["override"], entry["amount"]) == ("limit", 2)
    assert (entry["since"], entry["until"]) == (began, began + 600.0)
    assert (entry["reason"], entry["who"]) == ("Scans.", "ada")
