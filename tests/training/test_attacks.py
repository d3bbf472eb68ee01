"""Test simulated attacks: same for the same site, harmful, and like the site's own rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.harm import harmful
from flask_irl.training.attacks import KINDS, READINGS, simulated_rows

WIDTH = len(FEATURE_NAMES)
ROUTES = {"/": 0.6, "/page/<n>": 0.3, "/login": 0.1}


def usual_rows(count: Any = 50, **columns: float) -> NDArray[np.float32]:
    """Make rows of a site's own clients; all of a column may be the same."""
    rows = np.random.default_rng(3).exponential(size=(count, WIDTH)).astype(np.float32)
    for name, value in columns.items():
        rows[:, FEATURE_NAMES.index(name)] = value
    return rows


def column(rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return rows[:, FEATURE_NAMES.index(name)]


@pytest.fixture(scope="module")
def attacks() -> NDArray[np.float32]:
    return simulated_rows(usual_rows(), ROUTES, 1)


def test_there_are_enough_and_no_more_than_each_attacker_is_read(
    attacks: NDArray[np.float32],
) -> None:
    assert 1000 <= len(attacks) <= READINGS * sum(kind.attackers for kind in KINDS.values())
    assert attacks.shape == (len(attacks), WIDTH)
    assert attacks.dtype == np.float32


def test_the_seed_decides_the_attacks(attacks: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(simulated_rows(usual_rows(), ROUTES, 1), attacks)
    assert not np.array_equal(simulated_rows(usual_rows(), ROUTES, 2)[:50], attacks[:50])


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    value=st.floats(-1e6, 1e6, width=32),
    routes=st.dictionaries(st.text(max_size=5), st.floats(0, 1), max_size=4),
)
def test_all_is_finite_whatever_the_site_is_like(
    seed: int, value: float, routes: dict[str, float]
) -> None:
    rows = simulated_rows(np.full((1, WIDTH), value, np.float32), routes, seed)
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("seed", range(3))
def test_nearly_all_of_them_do_harm(seed: int) -> None:
    assert harmful(simulated_rows(usual_rows(), ROUTES, seed)).mean() > 0.75


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("hourly_new_paths", 5.0),
        ("failed_write_share", 0.7),
        ("unknown_path_share", 0.7),
        ("requests_per_minute", 200.0),
        ("failures_per_minute", 5.0),
    ],
)
def test_each_kind_of_attack_is_among_them(
    attacks: NDArray[np.float32], name: str, least: float
) -> None:
    assert (column(attacks, name) > least).sum() >= 20


def test_attackers_keep_machines_time_and_peoples(attacks: NDArray[np.float32]) -> None:
    variation = column(attacks, "interval_variation")
    assert (variation < 0.1).sum() >= 50
    assert (variation > 0.5).sum() >= 50


@pytest.mark.parametrize("name", ["hour_rarity", "weekday_rarity"])
def test_attackers_come_at_the_sites_own_hours(name: str) -> None:
    rows = simulated_rows(usual_rows(**{name: 1.5}), ROUTES, 1)
    assert set(column(rows, name).tolist()) == {1.5}


def test_attackers_get_answers_of_the_sites_own_sizes() -> None:
    for size in (3.0, 9.0):
        rows = simulated_rows(usual_rows(size_mean=size, size_deviation=0.1), ROUTES, 1)
        assert np.median(column(rows, "size_mean")) == pytest.approx(size, abs=0.2)


def test_attackers_ask_for_the_routes_that_there_are() -> None:
    common, rare = (
        np.median(column(simulated_rows(usual_rows(), routes, 1), "endpoint_rarity"))
        for routes in ({"/": 1.0}, {f"/{n}": 0.01 for n in range(100)})
    )
    assert common < 1.0
    assert rare == pytest.approx(-np.log(0.01), abs=0.2)


def test_the_sites_rows_are_not_modified() -> None:
    rows = usual_rows()
    before = rows.tobytes()
    simulated_rows(rows, ROUTES, 1)
    assert rows.tobytes() == before
