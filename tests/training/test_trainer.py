"""Test a model's life: trained on enough, gated, published once, loaded only if it is sound."""

from __future__ import annotations

import logging
import threading
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.routes import route_hash
from flask_irl.behaviour.rows import ABUSE, GOOD, client_hash, pack_rows
from flask_irl.behaviour.site_statistics import learn_paces
from flask_irl.errors import LibraryMissing, TrainingRefused
from flask_irl.model.detectors import Detector, NullDetector
from flask_irl.model.model import dump, load
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.training.candidate import HARM_WEIGHT
from flask_irl.training.rows import FEW_NEWCOMERS
from flask_irl.training.training_set import TrainingSet
from tests.conftest import Clock
from tests.training.site import WIDTH, Recording, Site


@pytest.fixture
def site(clock: Clock) -> Site:
    return Site(clock)


def test_too_few_requests_are_refused_with_their_number(site: Site) -> None:
    site.learn(clients=9, each=1)
    training = site.trainer.train()
    assert training.result == "refused"
    assert "45 requests observed, at least 50" in training.reason
    assert site.store.model_version() == 0


def test_a_library_that_is_missing_is_one_warning(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def fit(training_set: TrainingSet) -> Detector:
        raise LibraryMissing("training needs scikit-learn")

    site = Site(clock, fit=fit)
    assert site.trainer.train().result == "refused"
    site.learn()
    with caplog.at_level(logging.INFO, "flask_irl"):
        for _ in range(3):
            assert site.trainer.train().reason == "training needs scikit-learn"
    refused = [r for r in caplog.records if r.message.startswith("training_refused")]
    assert [r.levelname for r in refused] == ["WARNING", "INFO", "INFO"]


def test_requests_without_rows_are_refused(site: Site) -> None:
    site.store.add_counts({"requests": 500})
    assert "no client has been observed for long enough" in site.trainer.train().reason


def test_enough_clients_make_a_model_in_force(site: Site) -> None:
    site.learn()
    training = site.trainer.train()
    assert (training.result, training.version, training.clients) == ("accepted", 1, 30)
    assert not site.trainer.model.advisory
    assert site.trainer.model.harm_weight == HARM_WEIGHT
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
    site = Site(clock, fit=lambda training_set: Harsh(WIDTH))
    site.learn()
    training = site.trainer.train()
    assert training.result == "rejected"
    assert "of recent legitimate clients" in training.reason
    assert site.store.model_version() == site.trainer.model.version == 0


def test_of_two_trainings_at_once_one_is_refused(clock: Clock) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(training_set: TrainingSet) -> Detector:
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
    def overtaken(training_set: TrainingSet) -> Detector:
        store.publish(0, 7, b"somebody else's")
        return NullDetector(WIDTH)

    store = MemoryStore(clock=clock)
    site = Site(clock, store, fit=overtaken)
    site.learn()
    training = site.trainer.train()
    assert training.result == "rejected"
    assert "another model was put in force meanwhile" in training.reason
    assert site.store.model_version() == 7


@pytest.mark.parametrize("error", [TrainingRefused("no scikit-learn"), OSError("no child")])
def test_a_fit_that_fails_leaves_everything_as_it_was(clock: Clock, error: Exception) -> None:
    def broken(training_set: TrainingSet) -> Detector:
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


def test_one_new_row_is_enough_for_a_scheduled_training(site: Site) -> None:
    site.learn()
    assert site.trainer.tick() is not None
    site.learn(clients=1, each=1, seed=2, first=99)
    site.clock.advance(300)
    training = site.trainer.tick()
    assert training is not None
    assert (training.result, training.version) == ("accepted", 2)


def test_scheduled_trainings_renew_trees_and_ordered_ones_all(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    site.learn(clients=100)
    site.trainer.tick()
    site.learn(clients=1, each=1, seed=2, first=200)
    clock.advance(300)
    site.trainer.tick()
    site.trainer.train()
    first, scheduled, ordered = fit.training_sets
    assert (first.before, first.share) == (None, 1.0)
    assert (scheduled.before is not None, scheduled.share) == (True, 0.1)
    assert (ordered.before, ordered.share) == (None, 1.0)


def test_a_model_of_much_fewer_rows_is_renewed_as_a_whole(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    for seed in (1, 2):
        site.learn(seed=seed, first=100 * seed)
        site.trainer.tick()
        clock.advance(300)
    assert [training_set.share for training_set in fit.training_sets] == [1.0, 1.0]


def test_what_the_gate_rejected_is_not_tried_again_before_there_is_more(clock: Clock) -> None:
    class Harsh(NullDetector):
        def score(self, rows: Any) -> NDArray[np.float64]:
            calls.append(len(rows))
            return np.full(len(rows), 0.1 if len(calls) % 2 else 0.99)

    calls: list[int] = []
    site = Site(clock, fit=lambda training_set: Harsh(WIDTH))
    site.learn()
    for new, expected in ((0, "rejected"), (0, None), (1, "rejected"), (0, None)):
        site.learn(clients=new, each=1, first=200)
        training = site.trainer.tick()
        assert (training and training.result) == expected
        clock.advance(300)


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


def test_the_last_five_versions_are_kept_and_one_of_the_hour(site: Site) -> None:
    for seed in range(7):
        site.learn(seed=seed)
        site.trainer.train()
    assert site.store.model_versions() == [7, 6, 5, 4, 3, 1]
    kept = site.store.model(7)
    assert kept is not None
    assert dump(load(kept, schema=site.trainer.model.schema)) == kept


def test_only_a_model_that_is_news_is_an_info_in_every_worker(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="flask_irl")
    site = Site(clock, learning_seconds=500)
    site.learn()
    for number in range(4):
        site.learn(clients=1, each=1, first=100 + number)
        site.trainer.tick()
        clock.advance(300)
    assert site.store.pin(2)
    refresh(site)
    loaded = [r for r in caplog.records if r.message.startswith("model_loaded")]
    assert [r.levelname for r in loaded] == ["INFO", "DEBUG", "INFO", "DEBUG", "INFO"]


# While a version is pinned


@pytest.fixture
def pinned(site: Site) -> Site:
    """Give a site with two models, of which the first is pinned."""
    for seed in (1, 2):
        site.learn(seed=seed)
        assert site.trainer.train().result == "accepted"
    assert site.store.pin(1)
    refresh(site)
    return site


def refresh(site: Site) -> None:
    """Take up model and pin, as a worker does every two seconds."""
    site.trainer.poll()
    site.trainer.in_force.take_pin(site.store.revisions().pin)


def test_a_rollback_survives_the_next_training_whose_model_is_kept_aside(pinned: Site) -> None:
    pinned.learn(seed=3)
    pinned.clock.advance(300)
    training = pinned.trainer.tick()
    assert training is not None
    assert (training.result, training.version) == ("kept_aside", 3)
    assert training.reason == "version 1 is pinned"
    assert pinned.listener.results[-1] == "kept_aside"
    assert (pinned.trainer.model.version, pinned.store.model_version()) == (1, 1)
    kept = pinned.store.model(3)
    assert kept is not None
    assert load(kept, schema=pinned.trainer.model.schema).version == 3


def test_a_training_under_way_does_not_undo_a_rollback(clock: Clock) -> None:
    def overtaken(training_set: TrainingSet) -> Detector:
        if store.model_version():
            assert store.pin(1)
        return NullDetector(WIDTH)

    store = MemoryStore(clock=clock)
    site = Site(clock, store, fit=overtaken)
    results = []
    for seed in (1, 2):
        site.learn(seed=seed)
        results.append(site.trainer.train().result)
    assert results == ["accepted", "kept_aside"]
    assert store.model_version() == 1


def test_after_the_pin_the_next_training_publishes_as_usual(pinned: Site) -> None:
    pinned.learn(seed=3)
    assert pinned.trainer.train().result == "kept_aside"
    pinned.store.unpin()
    refresh(pinned)
    assert pinned.trainer.model.version == 1
    pinned.clock.advance(300)
    training = pinned.trainer.tick()
    assert training is not None
    assert (training.result, training.version) == ("accepted", 4)


def test_a_quiet_site_is_not_trained_again_and_again_under_a_pin(pinned: Site) -> None:
    pinned.learn(seed=3)
    for trained in (True, False, False):
        pinned.clock.advance(300)
        assert (pinned.trainer.tick() is not None) == trained


def test_under_a_pin_the_latest_candidate_is_renewed_and_never_the_pinned_model(
    clock: Clock,
) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    for number in range(4):
        site.learn(clients=100 if not number else 1, seed=number, first=100 * number)
        if number == 2:
            assert site.store.pin(1)
            refresh(site)
        site.trainer.tick()
        clock.advance(300)
    based = [training_set.before is not None for training_set in fit.training_sets]
    assert based == [False, True, False, True]


def test_a_pin_is_told_once_when_it_begins_and_when_it_is_taken_back(
    pinned: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="flask_irl")
    pinned.store.pin(2, pinned.clock() + 60)
    for _ in range(2):
        refresh(pinned)
    pinned.store.unpin()
    for _ in range(2):
        refresh(pinned)
    assert [record.getMessage() for record in caplog.records] == [
        "model_pinned version=2 until=2023-11-14T22:14:20Z",
        "model_unpinned version=2",
    ]
    assert [version for version, _ in groupby(pinned.listener.pins)] == [0, 1, 2, 0]


def test_the_end_of_a_pins_time_is_told(pinned: Site, caplog: pytest.LogCaptureFixture) -> None:
    pinned.store.pin(2, pinned.clock() + 60)
    refresh(pinned)
    caplog.clear()
    pinned.clock.advance(60)
    refresh(pinned)
    assert [record.getMessage() for record in caplog.records] == ["model_pin_ended version=2"]


def test_a_pin_of_a_time_that_no_calendar_has_is_told(
    pinned: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="flask_irl")
    pinned.store.pin(2, 1e12)
    refresh(pinned)
    assert "until=9999-12-31T23:59:59Z" in caplog.text


def test_one_heavy_client_does_not_fill_the_training_set(site: Site) -> None:
    site.learn()
    rows = np.full((3000, WIDTH), 9, dtype=np.float32)
    at = np.full(3000, site.clock())
    site.store.add_rows(pack_rows(["heavy"] * 3000, np.ones(3000), at, rows), 20_000)
    assert site.trainer.train().rows <= 120 + 62


@pytest.mark.parametrize("kind", ["isolation_forest", "random_forest", "blend"])
def test_the_detector_is_of_the_kind_that_was_chosen(clock: Clock, kind: str) -> None:
    site = Site(clock, detector=kind)
    site.learn()
    assert site.trainer.train().result == "accepted"
    assert site.trainer.model.detector.kind == kind


def test_the_same_rows_make_the_same_model(clock: Clock) -> None:
    models = []
    for _ in range(2):
        site = Site(clock, detector="blend")
        site.learn()
        site.trainer.train()
        models.append(site.trainer.model)
    one, two = models
    rows = np.random.default_rng(3).exponential(size=(50, WIDTH))
    assert np.array_equal(one.score(rows), two.score(rows))
    assert one.calibration == two.calibration


def test_a_site_that_was_not_watched_for_long_is_only_advised(clock: Clock) -> None:
    site = Site(clock, learning_seconds=3600)
    site.learn()
    clock.advance(3599)
    site.trainer.train()
    assert site.trainer.model.advisory
    clock.advance(1)
    site.trainer.train()
    assert not site.trainer.model.advisory


def test_what_a_model_was_learned_from_is_remembered_when_the_rows_are_gone(clock: Clock) -> None:
    site = Site(clock, learning_seconds=3600)
    site.learn()
    began = clock()
    site.trainer.train()
    clock.advance(3600)
    site.store._rows.clear()
    site.learn(seed=2)
    site.trainer.train()
    assert site.trainer.model.site["began"] == began
    assert not site.trainer.model.advisory


def test_the_end_of_the_learning_period_is_a_reason_to_train(clock: Clock) -> None:
    site = Site(clock, learning_seconds=900)
    site.learn()
    assert site.trainer.tick() is not None
    clock.advance(600)
    assert site.trainer.tick() is None
    clock.advance(300)
    assert site.trainer.tick() is not None
    assert not site.trainer.model.advisory
    clock.advance(300)
    assert site.trainer.tick() is None


def test_rows_of_abusers_are_attacks_and_not_the_sites_own(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    site.learn(clients=40)
    site.learn(clients=2, each=3, first=100, seed=7, feedback=ABUSE)
    site.learn(clients=2, each=3, first=200, seed=8, feedback=GOOD)
    training = site.trainer.train()
    [training_set] = fit.training_sets
    abuse = np.random.default_rng(7).exponential(size=(6, WIDTH)).astype(np.float32)
    np.testing.assert_array_equal(training_set.attacks, abuse)
    assert training.rows == 40 * 4 + 6
    assert not (training_set.rows[:, None] == abuse[None]).all(axis=2).any()


def test_without_abusers_there_are_no_known_attacks(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    site.learn()
    site.trainer.train()
    assert fit.training_sets[0].attacks.shape == (0, WIDTH)


def test_a_lesson_has_the_routes_and_another_seed_each_time(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit, detector="blend")
    site.learn()
    site.store.add_counts({"route:/b": 3})
    site.trainer.train()
    site.trainer.train()
    assert [training_set.seed for training_set in fit.training_sets] == [1, 2]
    assert {training_set.kind for training_set in fit.training_sets} == {"blend"}
    assert fit.training_sets[0].routes == {"/": 0.25, "/b": 0.75}


def test_regulars_are_no_example_of_what_is_normal(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    site.learn(clients=60, seed=1)
    site.learn(clients=10, seed=2, first=100, regular=True)
    site.trainer.train()
    [training_set] = fit.training_sets
    regulars = np.random.default_rng(2).exponential(size=(40, WIDTH)).astype(np.float32)
    is_regular = (training_set.rows[:, None] == regulars[None]).all(axis=2).any(axis=1)
    assert is_regular.any()
    np.testing.assert_array_equal(training_set.normal, ~is_regular)


def test_a_regular_was_none_in_no_row_of_it(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    site.learn(clients=60, seed=1)
    site.learn(clients=10, seed=2, first=100)
    site.learn(clients=10, each=1, seed=3, first=100, regular=True)
    site.trainer.train()
    [training_set] = fit.training_sets
    earlier = np.random.default_rng(2).exponential(size=(40, WIDTH)).astype(np.float32)
    of_regulars = (training_set.rows[:, None] == earlier[None]).all(axis=2).any(axis=1)
    assert of_regulars.any()
    assert not training_set.normal[of_regulars].any()


def test_where_nearly_all_are_regulars_they_are_what_is_normal(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    site.learn(clients=FEW_NEWCOMERS - 1, each=1)
    site.learn(clients=60, seed=2, first=200, regular=True)
    site.trainer.train()
    assert fit.training_sets[0].normal.all()


def test_the_threshold_is_chosen_by_rows_that_were_not_learned(clock: Clock) -> None:
    judged: list[NDArray[np.float32]] = []

    class Judge(NullDetector):
        def score(self, rows: Any) -> NDArray[np.float64]:
            judged.append(rows)
            return np.zeros(len(rows))

    training_sets: list[TrainingSet] = []

    def fit(training_set: TrainingSet) -> Detector:
        training_sets.append(training_set)
        return Judge(WIDTH)

    site = Site(clock, fit=fit)
    site.learn(clients=100)
    site.trainer.train()
    [training_set], held = training_sets, judged[0]
    assert len(held) + len(training_set.rows) == 400
    assert len(held) == 4 * sum(client_hash(f"c{i}") % 4 == 0 for i in range(100))
    assert not (training_set.rows[:, None] == held[None]).all(axis=2).any()


def test_so_few_rows_as_can_grow_no_tree_are_repeated(clock: Clock) -> None:
    fit = Recording()
    site = Site(clock, fit=fit)
    site.learn(clients=5, each=1)
    site.store.add_counts({"requests": 50})
    site.trainer.train()
    [training_set] = fit.training_sets
    assert training_set.rows.shape == (35, WIDTH)
    assert training_set.normal.shape == (35,)
    assert len(np.unique(training_set.rows, axis=0)) == 5


def test_the_paces_of_routes_that_machines_work_on_are_in_the_model(clock: Clock) -> None:
    site = Site(clock, fit=Recording())
    rows = np.zeros((20, WIDTH), dtype=np.float32)
    rows[:10, FEATURE_NAMES.index("requests_per_minute")] = 60
    rows[10:, FEATURE_NAMES.index("requests_per_minute")] = 5
    routes = ["/hook"] * 10 + ["/"] * 10
    names = [f"c{i}" for i in range(20)]
    site.store.add_rows(pack_rows(names, np.full(20, 5), np.full(20, clock()), rows, routes), 99)
    site.store.add_counts({"requests": 100, "rows": 20})
    site.trainer.train()
    assert site.trainer.model.site["paces"] == {str(route_hash("/hook")): 60.0}


@pytest.mark.parametrize(("slow", "stays"), [(1, True), (15, True), (40, False)])
def test_a_route_of_machines_remains_one_while_a_quarter_of_its_requests_are_theirs(
    clock: Clock, slow: int, stays: bool
) -> None:
    site = Site(clock, fit=Recording())

    def visit(client: str, count: int, rate: float) -> None:
        rows = np.zeros((count, WIDTH), dtype=np.float32)
        rows[:, FEATURE_NAMES.index("requests_per_minute")] = rate
        names = [f"{client}{i}" for i in range(count)]
        at = np.full(count, clock())
        site.store.add_rows(pack_rows(names, np.full(count, 5), at, rows, ["/hook"] * count), 999)
        site.store.add_counts({"requests": 50, "rows": count})

    visit("machine", 4, 60.0)
    site.trainer.train()
    visit("person", slow, 20.0)
    site.trainer.train()
    assert (str(route_hash("/hook")) in site.trainer.model.site["paces"]) == stays
    # To become one takes half of them.
    learned = learn_paces(np.zeros(19, np.uint32), np.array([60.0] * 4 + [20.0] * 15, np.float32))
    assert learned == {}
