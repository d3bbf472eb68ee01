"""Test which models a store keeps."""

from __future__ import annotations

from flask_irl.stores.retention import LATEST_KEPT, MODELS_KEPT, superfluous

HOUR = 3600.0
DAY = 24 * HOUR


def kept_after(days: float, every: float, held: frozenset[int] = frozenset()) -> dict[int, float]:
    """Publish models at an interval in seconds, thin at each, and give the ages of those kept."""
    published: dict[int, float] = {}
    now = 1_700_000_000.0
    for version in range(1, int(days * DAY / every) + 1):
        published[version] = now
        for old in superfluous(published, now, held):
            del published[old]
        assert len(published) <= MODELS_KEPT
        now += every
    return {version: now - every - at for version, at in published.items()}


def test_few_models_all_stay() -> None:
    assert superfluous({1: 0.0, 2: 30 * DAY}, 60 * DAY, set()) == []


def test_a_week_of_trainings_leaves_models_of_each_hour_and_each_day() -> None:
    ages = sorted(kept_after(9, 300).values())
    assert ages[:LATEST_KEPT] == [0, 300, 600, 900, 1200]
    within_six_hours = [age for age in ages if HOUR <= age < 6 * HOUR]
    assert len(within_six_hours) >= 4
    within_a_day = [age for age in ages if 6 * HOUR <= age < DAY]
    assert len(within_a_day) >= 5
    assert {age // DAY for age in ages if age >= DAY} >= {1, 2, 3, 4, 5}
    assert ages[-1] < 7 * DAY


def test_rare_trainings_leave_what_there_is() -> None:
    assert sorted(age / DAY for age in kept_after(20, 2 * DAY).values()) == [0, 2, 4, 6, 8]


def test_a_held_model_stays_and_counts() -> None:
    ages = kept_after(9, 300, frozenset({1}))
    assert 1 in ages
    assert len(ages) <= MODELS_KEPT


def test_a_clock_that_was_set_back_drops_no_latest_model() -> None:
    published = {version: 1e9 + version for version in range(1, 40)}
    dropped = superfluous(published, 0.0, set())
    assert set(dropped) & set(range(39 - LATEST_KEPT + 1, 40)) == set()
    assert len(published) - len(dropped) <= MODELS_KEPT
