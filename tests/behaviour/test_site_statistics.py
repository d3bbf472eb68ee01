"""Test the statistics of a site: shares of routes, rarities of hours and weekdays."""

from __future__ import annotations

import numpy as np
import pytest

from flask_irl.behaviour.site_statistics import (
    hour_rarity,
    learn_paces,
    learn_site,
    likely_pace,
    weekday_rarity,
)


@pytest.mark.parametrize(
    ("jobs", "slow", "paces"),
    [(3, 60, {"7": 60.0}), (3, 61, {}), (9, 1, {"7": 60.0}), (2, 0, {}), (0, 5, {})],
)
def test_a_route_is_one_of_machines_though_slower_clients_use_it_too(
    jobs: int, slow: int, paces: dict[str, float]
) -> None:
    rates = np.array([60.0] * jobs + [3.0] * slow, dtype=np.float32)
    assert learn_paces(np.full(jobs + slow, 7, dtype=np.uint32), rates) == paces


def test_the_pace_of_machines_is_that_of_the_bin_that_a_client_asks_for_most() -> None:
    site = {"paces": {"5": 60.0, "21": 80.0, "7": 300.0}}
    bins = np.zeros((3, 16))
    bins[0, [5, 7]] = 9.0, 1.0
    bins[1, 3] = 1.0
    assert likely_pace(site, bins).tolist() == [80.0, 0.0, 0.0]
    assert likely_pace({}, bins).tolist() == [0.0, 0.0, 0.0]


def test_routes_have_their_shares() -> None:
    site = learn_site({"route:/": 3, "route:/a": 1, "requests": 4})
    assert site["routes"] == {"/": 0.75, "/a": 0.25}


def test_an_hour_is_unusual_only_after_days() -> None:
    one_day = {"route:/": 100, "hour:12": 100, "weekday:0": 100, "day:1": 100}
    week = {**one_day, **{f"day:{d}": 1 for d in range(40)}}
    night = 3 * 3600.0
    assert 0 < hour_rarity(learn_site(one_day), night) < hour_rarity(learn_site(week), night) <= 3
    assert hour_rarity(learn_site(week), 12 * 3600.0) == 0
    assert 0 < weekday_rarity(learn_site(week), night) <= 3
    assert hour_rarity({}, night) == weekday_rarity({"weekdays": "x"}, night) == 0
