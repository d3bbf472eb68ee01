"""The model's life: trained on enough, gated, published once, loaded only if it is sound."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flask_irl.detectors import Detector, NullDetector
from flask_irl.errors import TrainingRefused
from flask_irl.features import FEATURE_NAMES
from flask_irl.listener import NullListener
from flask_irl.model import dump, load
from flask_irl.rows import pack_rows
from flask_irl.stores.memory import MemoryStore
from flask_irl.trainer import Trainer, fit_here
from tests.conftest import Clock

WIDTH = len(FEATURE_NAMES)


class Listener(NullListener):
    def __init__(self) -> None:
        self.results: list[str] = []

    def trained(self, result: str, seconds: float) -> None:
        self.results.append(result)


class Site:
    def __init__(self, clock: Clock, store: MemoryStore | None = None, **options: Any) -> None:
        self.clock = clock
        self.store = MemoryStore(clock=clock) if store is None else store
        self.listener = Listener()
        self.trainer = Trainer(
            self.store,
            listener=self.listener,
            threshold=-0.5,
            false_flag_rate=0.002,
            min_clients=25,
            interval_seconds=300,
            fit=options.get("fit", fit_here),
        )

    def learn(self, clients: int = 30, each: int = 4, seed: int = 1) -> None:
        names = [f"c{i}" for i in range(clients) for _ in range(each)]
        rows = np.random.default_rng(seed).normal(size=(len(names), WIDTH)).astype(np.float32)
        at = np.full(len(names), self.clock())
        self.store.add_rows(pack_rows(names, np.full(len(names), 5), at, rows), 20_000)
        self.store.add_counts({"requests": 5 * len(names), "rows": len(names), "route:/": 1})


@pytest.fixture
def site(clock: Clock) -> Site:
    return Site(clock)


def test_too_few_requests_are_refused_with_their_number(site: Site) -> None:
    site.learn(clients=9, each=1)
    training = site.trainer.train()
    assert training.result == "refused"
    assert "45 requests observed, at least 50" in training.reason
    assert site.store.model_version() == 0


def test_requests_without_rows_are_refused(site: Site) -> None:
    site.store.add_counts({"requests": 500})
    assert "no client has been observed for long enough" in site.trainer.train().reason


def test_enough_clients_make_a_model_in_force(site: Site) -> None:
    site.learn()
    training = site.trainer.train()
    assert (training.result, training.version, training.clients) == ("accepted", 1, 30)
    assert not site.trainer.model.advisory
    assert site.trainer.model.site["routes"] == {"/": 1.0}
    assert site.listener.results == ["accepted"]


def test_few_clients_make_a_model_that_only_advises(site: Site) -> None:
    site.learn(clients=1, each=20)
    assert site.trainer.train().result == "accepted"
    assert site.trainer.model.advisory


def test_a_candidate_that_flags_too_many_is_kept_aside(clock: Clock) -> None:
    class Harsh(NullDetector):
        def score(self, rows: Any) -> NDArray[np.float64]:
            # Calibrated on a part of the rows, it finds all others far worse.
            calls.append(len(rows))
            return np.full(len(rows), 0.1 if len(calls) == 1 else 0.99)

    calls: list[int] = []
    site = Site(clock, fit=lambda rows, seed: Harsh(WIDTH))
    site.learn()
    training = site.trainer.train()
    assert training.result == "rejected"
    assert "of recent legitimate clients" in training.reason
    assert site.store.model_version() == site.trainer.model.version == 0


def test_of_two_trainings_at_once_one_is_refused(clock: Clock) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(rows: NDArray[np.float32], seed: int) -> Detector:
        begun.set()
        assert go_on.wait(20)
        return NullDetector(WIDTH)

    first = Site(clock, fit=slow)
    first.learn()
    thread = threading.Thread(target=first.trainer.train)
    thread.start()
    assert begun.wait(20)
    second = Site(clock, first.store).trainer.train()
    go_on.set()
    thread.join(20)
    assert (second.result, second.reason) == ("refused", "another worker is training")
    assert first.store.model_version() == 1


def test_a_model_published_meanwhile_wins(clock: Clock) -> None:
    def overtaken(rows: NDArray[np.float32], seed: int) -> Detector:
        store.publish(0, 7, b"somebody else's")
        return NullDetector(WIDTH)

    store = MemoryStore(clock=clock)
    site = Site(clock, store, fit=overtaken)
    site.learn()
    training = site.trainer.train()
    assert training.result == "rejected"
    assert "another worker published" in training.reason
    assert site.store.model_version() == 7


@pytest.mark.parametrize("error", [TrainingRefused("no scikit-learn"), OSError("no child")])
def test_a_fit_that_fails_leaves_everything_as_it_was(clock: Clock, error: Exception) -> None:
    def broken(rows: NDArray[np.float32], seed: int) -> Detector:
        raise error

    site = Site(clock, fit=broken)
    site.learn()
    training = site.trainer.train()
    assert training.result in ("refused", "failed")
    assert str(error) in training.reason
    assert site.store.model_version() == 0
    assert site.store.take_lease("train", "another", 1)


def test_a_tick_trains_once_an_interval_and_only_on_what_is_new(site: Site) -> None:
    other = Site(site.clock, site.store)
    site.learn()
    first = site.trainer.tick()
    assert first is not None
    assert first.result == "accepted"
    other.trainer.poll()
    assert other.trainer.tick() is None
    site.clock.advance(300)
    assert site.trainer.tick() is None
    site.learn(seed=2)
    site.clock.advance(300)
    second = site.trainer.tick()
    assert second is not None
    assert second.version == 2


def test_another_worker_takes_over_from_a_dead_leader(site: Site) -> None:
    other = Site(site.clock, site.store)
    site.learn()
    assert site.store.take_lease("tick", site.trainer.owner, 270)
    assert other.trainer.tick() is None
    site.clock.advance(271)
    assert other.trainer.tick() is not None


@pytest.mark.parametrize("damage", ["flip", "cut", "foreign", "version", "missing"])
def test_an_unsound_model_is_refused_once_and_the_one_in_force_stays(
    site: Site, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.learn()
    site.trainer.train()
    good = site.store.model(1)
    assert good is not None
    blob = {
        "flip": good[:500] + bytes([good[500] ^ 1]) + good[501:],
        "cut": good[:-1],
        "foreign": b"\x80\x04K\x01.",
        "version": good,
        "missing": good,
    }[damage]
    site.store.publish(1, 2, blob)
    if damage == "missing":
        site.store._models.clear()
    with caplog.at_level(logging.ERROR, logger="flask_irl"):
        assert not site.trainer.poll()
        assert not site.trainer.poll()
    assert site.trainer.model.version == 1
    assert len([r for r in caplog.records if r.message.startswith("model_refused")]) == 1


def test_others_load_what_one_published(site: Site) -> None:
    other = Site(site.clock, site.store)
    site.learn()
    site.trainer.train()
    assert other.trainer.poll()
    assert not other.trainer.poll()
    rows = np.random.default_rng(3).normal(size=(50, WIDTH))
    assert np.array_equal(other.trainer.model.score(rows), site.trainer.model.score(rows))


def test_the_last_five_versions_are_kept(site: Site) -> None:
    for seed in range(7):
        site.learn(seed=seed)
        site.trainer.train()
    assert site.store.model_versions() == [7, 6, 5, 4, 3]
    kept = site.store.model(7)
    assert kept is not None
    assert dump(load(kept, schema=site.trainer.model.schema)) == kept


def test_one_heavy_client_does_not_fill_the_training_set(site: Site) -> None:
    site.learn()
    rows = np.full((3000, WIDTH), 9, dtype=np.float32)
    at = np.full(3000, site.clock())
    site.store.add_rows(pack_rows(["heavy"] * 3000, np.ones(3000), at, rows), 20_000)
    assert site.trainer.train().rows <= 120 + 62
