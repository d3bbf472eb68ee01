"""Test the operations on the whole site, with each kind of store."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from flask_irl.config.runtime import write_settings
from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.model.model import Model
from flask_irl.operations import MAX_TRIES
from tests.operations.worker import ADA, Site, Worker, attack

# Figures


def test_at_first_all_figures_are_nought(here: Worker) -> None:
    found = here.operations.site.stats()
    assert (found["total_requests"], found["refused"], found["anomalous"]) == (0, 0, 0)
    assert (found["refused_share"], found["anomaly_rate"]) == (0.0, 0.0)
    assert (found["unique_clients"], found["flagged_clients"]) == (0, 0)
    assert (found["endpoints"], found["buffer_size"]) == ({}, {})
    assert (found["model_trained"], found["model_version"], found["learning"]) == (
        *(False, 0),
        "learning",
    )
    assert (found["mode"], found["store_ok"]) == ("enforce", True)


def test_figures_are_those_of_the_traffic(here: Worker) -> None:
    for n in range(13):
        here.ask("a", "/x" if n < 9 else "/y")
    for _ in range(2):
        here.ask("b", "/y")
    here.limiter.flush()
    found = here.operations.site.stats()
    assert (found["total_requests"], found["refused"], found["unique_clients"]) == (15, 3, 2)
    assert found["refused_share"] == found["hit_rate"] == pytest.approx(3 / 15)
    assert list(found["endpoints"].items()) == [("/x", 9), ("/y", 6)]


def test_what_waits_for_the_flush_is_told_by_client(here: Worker) -> None:
    here.admitted(2, "few")
    here.admitted(5, "many")
    found = here.operations.site.stats()
    assert list(found["buffer_size"].items()) == [("many", 5), ("few", 2)]
    assert found["waiting"] == 7
    here.limiter.flush()
    found = here.operations.site.stats()
    assert (found["buffer_size"], found["waiting"]) == ({}, 0)


def test_requests_of_flagged_clients_count_as_anomalous(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    here.flag()
    here.admitted(3)
    here.limiter.flush()
    found = here.operations.site.stats()
    # A flagged client keeps three: the one before counts, two pass now, the third is refused.
    assert (found["anomalous"], found["refused"], found["anomaly_rate"]) == (3, 1, 0.75)


def test_figures_are_those_of_all_workers(site: Site, here: Worker) -> None:
    there = site.worker()
    here.admitted(3, "a")
    there.admitted(4, "b")
    here.limiter.flush()
    there.limiter.flush()
    found = here.operations.site.stats()
    assert (found["total_requests"], found["unique_clients"]) == (7, 2)


@pytest.mark.parametrize(("advisory", "learning"), [(True, "advisory"), (False, "active")])
def test_how_learning_stands_is_told(
    here: Worker, trained: Model, advisory: bool, learning: str
) -> None:
    here.publish(dataclasses.replace(trained, advisory=advisory), 3)
    found = here.operations.site.stats()
    assert (found["model_trained"], found["model_version"], found["learning"]) == (
        *(True, 3),
        learning,
    )


def test_flagged_clients_are_counted_and_listed(site: Site, trained: Model) -> None:
    here = site.worker(further_factors=())
    here.publish(trained)
    here.limiter.refresh()
    here.ask("person-1")
    attack(site, here)
    assert here.operations.site.stats()["flagged_clients"] == 1
    [entry], total = here.operations.clients.ranked(order="flagged")
    assert (entry["client"], entry["step"], entry["is_anomalous"], total) == (
        *("mallory", 1),
        *(True, 1),
    )


# Limits


def test_limits_are_told_with_what_each_step_leaves(site: Site) -> None:
    found = site.worker(base_limit=50, anomalous_factor=0.5).operations.site.limits()
    assert (found["base_limit"], found["window_seconds"], found["mode"]) == (50, 60, "enforce")
    assert found["steps"] == [
        {"step": 0, "factor": 1.0, "limit": 50},
        {"step": 1, "factor": 0.5, "limit": 25},
        {"step": 2, "factor": 0.1, "limit": 5},
        {"step": 3, "factor": 0.0, "limit": 0},
    ]


def test_a_raised_limit_holds_for_the_next_request_of_who_was_refused(here: Worker) -> None:
    assert here.admitted(12) == 10
    assert here.operations.site.set_limits({"base_limit": 15}, ADA)["base_limit"] == 15
    assert here.admitted(12) == 5


def test_a_lowered_limit_holds_for_the_next_request(here: Worker) -> None:
    here.admitted(5)
    here.operations.site.set_limits({"base_limit": 3}, ADA)
    decision = here.ask()
    assert (decision.admitted, decision.limit) == (False, 3)


def test_a_changed_window_holds_for_the_next_request(here: Worker) -> None:
    here.operations.site.set_limits({"window_seconds": 7}, ADA)
    decision = here.ask()
    assert (decision.window_seconds, decision.reset_after) == (7, 7.0)


def test_a_changed_factor_holds_for_the_next_request_of_a_flagged_client(here: Worker) -> None:
    here.ask()
    here.flag()
    assert here.ask().limit == 3
    here.operations.site.set_limits({"anomalous_factor": 0.8}, ADA)
    assert here.ask().limit == 8


def test_further_steps_are_changed_and_who_is_below_the_last_is_at_the_last(here: Worker) -> None:
    here.ask()
    here.flag(step=3)
    assert here.admitted(3) == 0
    here.operations.site.set_limits({"further_factors": [0.2]}, ADA)
    found = here.operations.site.limits()
    assert found["further_factors"] == [0.2]
    assert [step["limit"] for step in found["steps"]] == [10, 3, 2]
    # One of the two was used up at first.
    assert here.admitted(3) == 1
    client = here.operations.clients.describe("c")
    assert client is not None
    assert client["limit"] == 2
    here.operations.site.set_limits({"further_factors": None}, ADA)
    assert here.admitted(3) == 0
    assert [entry["after"] for entry in here.audited()] == [
        {"further_factors": [0.1, 0.0]},
        {"further_factors": [0.2]},
    ]


@pytest.mark.parametrize(("threshold", "flagged"), [(-1.0, 0), (-0.5, 1)])
def test_a_changed_threshold_holds_for_the_next_verdict(
    site: Site, trained: Model, threshold: float, flagged: int
) -> None:
    here = site.worker(anomaly_threshold=-0.9)
    here.publish(trained)
    here.operations.site.set_limits({"anomaly_threshold": threshold}, ADA)
    attack(site, here)
    assert here.operations.site.stats()["flagged_clients"] == flagged


def test_a_change_holds_in_every_worker_that_looks_for_news(site: Site, here: Worker) -> None:
    there = site.worker()
    here.operations.site.set_limits({"base_limit": 3}, ADA)
    there.limiter.refresh()
    assert there.admitted(5) == 3


def test_a_change_outlives_the_worker(site: Site, here: Worker) -> None:
    here.operations.site.set_limits({"base_limit": 3}, ADA)
    here.operations.site.set_mode("shadow", ADA)
    restarted = site.worker()
    found = restarted.operations.site.limits()
    assert (found["base_limit"], found["mode"]) == (3, "shadow")
    assert restarted.admitted(5) == 3


def test_a_setting_taken_back_is_as_configured(here: Worker) -> None:
    here.operations.site.set_limits({"base_limit": 3, "window_seconds": 7}, ADA)
    found = here.operations.site.set_limits({"base_limit": None}, ADA)
    assert (found["base_limit"], found["window_seconds"]) == (10, 7)
    assert here.ask().limit == 10


def test_a_change_of_limits_is_audited(site: Site, here: Worker) -> None:
    site.clock.advance(5)
    here.operations.site.set_limits({"base_limit": 3, "anomalous_factor": 0.5}, ADA)
    [entry] = here.audited()
    assert entry == {
        "at": site.clock(),
        "who": ADA,
        "action": "limits",
        "target": "",
        "before": {"base_limit": 10, "anomalous_factor": 0.3},
        "after": {"base_limit": 3, "anomalous_factor": 0.5},
        "reason": "",
        "tenant": "",
    }


def test_what_another_worker_changed_is_what_was_before(site: Site, here: Worker) -> None:
    there = site.worker()
    here.operations.site.set_limits({"base_limit": 50}, ADA)
    there.operations.site.set_limits({"base_limit": 20}, "bob")
    entry = there.audited()[0]
    assert (entry["before"], entry["after"]) == ({"base_limit": 50}, {"base_limit": 20})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"base_limit": 0}, "base_limit"),
        ({"window_seconds": 3, "base_limit": "many"}, "base_limit"),
        ({"base_limit": 3, "anomalous_factor": 1.5}, "anomalous_factor"),
        ({"anomaly_threshold": 1}, "anomaly_threshold"),
        ({"strategy": "gcra"}, "strategy"),
        ({"base_limit": 3, "strategy": None}, "strategy"),
        ({"mode": "off"}, "mode"),
        ({"mode": None}, "mode"),
    ],
)
def test_limits_that_are_not_allowed_are_named_and_change_nothing(
    here: Worker, changes: dict[str, Any], named: str
) -> None:
    before = here.operations.site.limits()
    with pytest.raises(ConfigurationError, match=named):
        here.operations.site.set_limits(changes, ADA)
    assert here.operations.site.limits() == before
    assert here.audited() == []


def test_of_two_changes_at_once_both_hold(here: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = here.store.put_settings
    others = [write_settings({"window_seconds": 7})]

    def put_settings(expected: int, settings: bytes) -> bool:
        if others:
            assert whole(expected, others.pop())
        return whole(expected, settings)

    monkeypatch.setattr(here.store, "put_settings", put_settings)
    found = here.operations.site.set_limits({"base_limit": 3}, ADA)
    assert (found["base_limit"], found["window_seconds"]) == (3, 7)


def test_who_is_never_first_is_told_so(here: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def put_settings(expected: int, settings: bytes) -> bool:
        tries.append(expected)
        return False

    monkeypatch.setattr(here.store, "put_settings", put_settings)
    with pytest.raises(StoreError, match="somebody else is changing the settings") as caught:
        here.operations.site.set_limits({"base_limit": 3}, ADA)
    assert (caught.value.kind, len(tries)) == ("response", MAX_TRIES)
    assert here.operations.site.limits()["base_limit"] == 10


def test_stored_settings_that_are_damaged_are_as_none_and_can_be_replaced(here: Worker) -> None:
    here.store.put_settings(0, b"\xff{")
    assert here.operations.site.limits()["base_limit"] == 10
    here.operations.site.set_limits({"base_limit": 3}, ADA)
    assert here.admitted(5) == 3


# Mode


@pytest.mark.parametrize(
    ("mode", "outcomes"),
    [
        ("enforce", ["limited"] * 2),
        ("shadow", ["shadow_limited"] * 2),
        ("off", ["allowed"] * 2),
    ],
)
def test_a_changed_mode_holds_for_the_next_request(
    site: Site, mode: str, outcomes: list[str]
) -> None:
    here = site.worker(mode="shadow" if mode == "enforce" else "enforce")
    here.admitted(3)
    here.flag()
    here.operations.site.set_mode(mode, ADA)
    assert [here.ask().outcome for _ in range(2)] == outcomes


def test_a_change_of_mode_is_told_and_audited(here: Worker) -> None:
    assert here.operations.site.set_mode("shadow", ADA) == {"mode": "shadow", "before": "enforce"}
    assert here.operations.site.mode() == "shadow"
    [entry] = here.audited()
    assert (entry["who"], entry["action"]) == (ADA, "mode")
    assert (entry["before"], entry["after"]) == ({"mode": "enforce"}, {"mode": "shadow"})


def test_mode_and_limits_are_changed_apart(here: Worker) -> None:
    here.operations.site.set_limits({"base_limit": 3}, ADA)
    here.operations.site.set_mode("shadow", ADA)
    here.operations.site.set_limits({"base_limit": None}, ADA)
    found = here.operations.site.limits()
    assert (found["mode"], found["base_limit"]) == ("shadow", 10)


def test_a_mode_that_is_not_known_changes_nothing(here: Worker) -> None:
    with pytest.raises(ConfigurationError, match=r"mode is 'on': give one of enforce, shadow, off"):
        here.operations.site.set_mode("on", ADA)
    assert here.operations.site.mode() == "enforce"
    assert here.audited() == []
