"""Test the operations on models, with each kind of store."""

from __future__ import annotations

import dataclasses
import math

import pytest

from flask_irl.errors import ConfigurationError, ModelError, TrainingRefused
from flask_irl.model.model import Model, dump
from tests.operations.worker import ADA, Site, Worker


def test_at_first_there_is_no_model(here: Worker) -> None:
    assert here.operations.models.versions() == []
    found = here.operations.models.describe()
    assert (found["trained"], found["version"], found["trained_at"]) == (False, 0, None)
    assert (found["versions"], found["gate"], found["last_training"]) == ([], {}, None)


def test_a_training_is_told_and_audited(here: Worker) -> None:
    training = here.operations.models.train(ADA)
    assert (training.result, training.reason[:19]) == ("refused", "0 requests observed")
    entry, start = here.audited()
    assert (start["who"], start["action"], start["target"]) == (ADA, "train", "")
    assert start["after"] == {"result": "started"}
    assert (entry["who"], entry["action"], entry["reason"]) == (ADA, "train", training.reason)
    assert (entry["before"], entry["after"]) == (
        {"version": 0},
        {"version": 0, "result": "refused"},
    )
    last = here.operations.models.describe()["last_training"]
    assert (last["result"], last["reason"]) == ("refused", training.reason)


def test_a_process_that_has_just_begun_learns_the_model_and_settings_before_it_trains(
    site: Site, here: Worker, trained: Model
) -> None:
    here.operations.site.set_limits({"anomaly_threshold": -0.77}, ADA)
    here.publish(trained, 3)
    begun = site.worker()
    begun.operations.models.train(ADA)
    assert begun.limiter.trainer.model.version == 3
    assert begun.limiter.options.anomaly_threshold == -0.77


def test_a_training_that_is_started_is_audited_at_once(here: Worker) -> None:
    for n in range(10):
        here.admitted(9, f"c{n}")
    started = here.operations.models.start_training(ADA)
    assert (started["result"], started["version"]) == ("started", 0)
    [entry] = here.audited()
    assert (entry["who"], entry["action"]) == (ADA, "train")
    assert (entry["before"], entry["after"]) == ({"version": 0}, {"result": "started"})
    here.limiter.close()


def test_a_training_that_can_not_be_started_is_audited_as_one_that_was_tried(
    here: Worker,
) -> None:
    with pytest.raises(TrainingRefused, match="0 requests observed"):
        here.operations.models.start_training(ADA)
    [entry] = here.audited()
    assert (entry["action"], entry["before"]) == ("train", {"version": 0})
    assert here.operations.models.describe()["last_training"]["result"] == "refused"


def test_a_training_learns_from_what_waits_for_the_flush(here: Worker) -> None:
    for n in range(10):
        here.admitted(9, f"c{n}")
    training = here.operations.models.train(ADA)
    assert (training.result, training.version, training.clients) == ("accepted", 1, 10)
    found = here.operations.models.describe()
    assert (found["trained"], found["version"], found["rows"], found["clients"]) == (
        *(True, 1),
        *(10, 10),
    )
    assert (found["versions"], found["last_training"]["result"]) == ([1], "accepted")
    entry, _ = here.audited()
    assert (entry["target"], entry["before"]) == ("1", {"version": 0})
    assert entry["after"] == {"version": 1, "result": "accepted"}


def test_kept_models_are_listed_newest_first(here: Worker, trained: Model) -> None:
    here.publish(trained, 1)
    here.store.publish(1, 2, b"damaged")
    here.publish(trained, 3)
    found = here.operations.models.versions()
    assert [(m["version"], m["readable"], m["in_force"]) for m in found] == [
        (3, True, True),
        (2, False, False),
        (1, True, False),
    ]
    assert (found[0]["rows"], found[0]["clients"]) == (trained.rows, trained.clients)


def test_an_earlier_model_is_put_in_force_in_every_worker(
    site: Site, here: Worker, trained: Model
) -> None:
    there = site.worker()
    here.publish(trained, 1)
    here.publish(trained, 2)
    there.limiter.refresh()
    assert there.limiter.trainer.model.version == 2
    found = here.operations.models.rollback(1, ADA)
    assert found is not None
    assert (found["version"], found["in_force"]) == (1, True)
    assert here.limiter.trainer.model.version == 1
    there.limiter.refresh()
    assert there.limiter.trainer.model.version == 1
    assert [m["version"] for m in here.operations.models.versions() if m["in_force"]] == [1]


def test_a_rollback_is_audited(here: Worker, trained: Model) -> None:
    here.publish(trained, 1)
    here.publish(trained, 2)
    here.operations.models.rollback(1, ADA)
    [entry] = here.audited()
    assert (entry["who"], entry["action"], entry["target"]) == (ADA, "rollback", "1")
    assert entry["before"] == {"version": 2, "pinned": None}
    assert entry["after"] == {"version": 1, "pinned": 1, "until": None}


@pytest.mark.parametrize("version", [0, 2, -1])
def test_a_model_that_is_not_kept_is_not_put_in_force(
    here: Worker, trained: Model, version: int
) -> None:
    here.publish(trained, 1)
    assert here.operations.models.rollback(version, ADA) is None
    assert here.store.model_version() == 1
    assert here.audited() == []


def test_a_model_that_was_dropped_meanwhile_is_not_put_in_force(
    here: Worker, trained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.publish(trained, 1)
    here.publish(trained, 2)
    monkeypatch.setattr(here.store, "pin", lambda version, until: False)
    assert here.operations.models.rollback(1, ADA) is None
    assert here.store.model_version() == 2


@pytest.mark.parametrize("damage", ["cut off", "flipped", "empty", "foreign", "misnamed"])
def test_a_model_that_workers_would_refuse_is_not_put_in_force(
    here: Worker, trained: Model, damage: str
) -> None:
    blob = dump(dataclasses.replace(trained, version=1))
    damaged = {
        "cut off": blob[:-9],
        "flipped": blob[:-9] + bytes([blob[-9] ^ 1]) + blob[-8:],
        "empty": b"",
        "foreign": dump(dataclasses.replace(trained, version=1, schema="another")),
        "misnamed": dump(dataclasses.replace(trained, version=7)),
    }[damage]
    here.store.publish(0, 1, damaged)
    here.publish(trained, 2)
    here.limiter.refresh()
    with pytest.raises(ModelError, match="model 1 can't be read"):
        here.operations.models.rollback(1, ADA)
    assert [m["readable"] for m in here.operations.models.versions()] == [True, False]
    assert here.store.model_version() == here.limiter.trainer.model.version == 2
    assert here.audited() == []


# Pins


def test_a_rollback_is_pinned_until_it_is_taken_back(here: Worker, trained: Model) -> None:
    here.publish(trained, 1)
    here.publish(trained, 2)
    found = here.operations.models.rollback(1, ADA, reason="flags our partners")
    assert found is not None
    assert (found["pinned"], found["until"], found["reason"]) == (True, None, "flags our partners")
    pin = {"version": 1, "until": None, "who": ADA, "reason": "flags our partners"}
    assert here.operations.models.pinned() == pin
    assert here.operations.models.describe()["pinned"] == pin
    shown = here.operations.site.stats()
    assert (shown["model_pinned"], shown["model_pinned_until"]) == (1, None)
    assert here.operations.models.unpin(ADA) == {"version": 1, "unpinned": True}
    assert here.operations.models.pinned() is None
    assert here.operations.site.stats()["model_pinned"] is None
    assert here.store.model_version() == 1


def test_a_training_under_a_pin_is_told_audited_and_leaves_the_model_in_force(
    site: Site, here: Worker, trained: Model
) -> None:
    here.publish(trained, 1)
    here.publish(trained, 2)
    here.operations.models.rollback(1, ADA)
    for route, pause in zip("abcabacbc", (3, 11, 2, 17, 5, 4, 9, 30, 6), strict=True):
        for n in range(10):
            here.ask(f"person-{n}", f"/{route}", pause)
        site.clock.advance(pause)
    training = here.operations.models.train(ADA)
    assert (training.result, training.reason) == ("kept_aside", "version 1 is pinned")
    assert here.audited()[0]["after"] == {"version": 1, "result": "kept_aside"}
    assert here.limiter.trainer.model.version == here.store.model_version() == 1
    last = here.operations.models.describe()["last_training"]
    assert (last["result"], last["version"]) == ("kept_aside", 3)
    assert [
        (m["version"], m["in_force"], m["pinned"]) for m in here.operations.models.versions()
    ] == [
        (3, False, False),
        (2, False, False),
        (1, True, True),
    ]


def test_a_pin_holds_in_every_worker_until_its_time(
    site: Site, here: Worker, trained: Model
) -> None:
    there = site.worker()
    here.publish(trained, 1)
    here.publish(trained, 2)
    here.operations.models.rollback(1, ADA, seconds=60)
    there.limiter.refresh()
    assert there.operations.site.stats()["model_pinned"] == 1
    assert there.operations.site.stats()["model_pinned_until"] == pytest.approx(site.clock() + 60)
    site.clock.advance(60)
    assert there.operations.site.stats()["model_pinned"] is None
    assert there.operations.models.unpin(ADA) is None


def test_a_pin_may_be_given_its_end(site: Site, here: Worker, trained: Model) -> None:
    here.publish(trained, 1)
    found = here.operations.models.rollback(1, ADA, until=site.clock() + 90)
    assert found is not None
    assert found["until"] == site.clock() + 90
    pin = here.operations.models.pinned()
    assert pin is not None
    assert pin["until"] == pytest.approx(site.clock() + 90, abs=0.001)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9, math.inf, math.nan])
def test_a_pin_for_a_time_that_is_not_allowed_changes_nothing(
    here: Worker, trained: Model, seconds: float
) -> None:
    here.publish(trained, 1)
    with pytest.raises(ConfigurationError, match=r"seconds is .*: give a number above 0"):
        here.operations.models.rollback(1, ADA, seconds=seconds)
    assert (here.operations.models.pinned(), here.audited()) == (None, [])


@pytest.mark.parametrize("later", [0.0, -1.0, 1e9, math.inf])
def test_a_pin_until_a_time_that_is_not_allowed_changes_nothing(
    site: Site, here: Worker, trained: Model, later: float
) -> None:
    here.publish(trained, 1)
    with pytest.raises(ConfigurationError, match=r"until is .*Z: give a time to come"):
        here.operations.models.rollback(1, ADA, until=site.clock() + later)
    assert (here.operations.models.pinned(), here.audited()) == (None, [])


def test_a_pin_is_audited_with_its_reason_before_it_is_made_and_taken_back(
    here: Worker, trained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.publish(trained, 1)
    here.publish(trained, 2)
    here.operations.models.rollback(1, ADA, reason="why")
    here.operations.models.unpin(ADA, "mended")
    unpinned, pinned = here.audited()
    assert (pinned["action"], pinned["target"], pinned["reason"]) == ("rollback", "1", "why")
    assert (unpinned["action"], unpinned["target"], unpinned["reason"]) == ("unpin", "1", "mended")
    assert unpinned["before"] == {"version": 1, "pinned": 1, "until": None}
    assert unpinned["after"] == {"version": 1, "pinned": None}


def test_models_tell_their_age_kind_and_trial(site: Site, here: Worker, trained: Model) -> None:
    site.clock.advance(1000)
    here.publish(trained, 1)
    [entry] = here.operations.models.versions()
    assert entry["age_seconds"] == pytest.approx(site.clock() - trained.trained_at)
    assert entry["kind"] == trained.detector.kind
    assert entry["flagged_share"] == trained.report["gate"]["flagged_share"]
