"""Test the statistics of a site: shares of routes, rarities of hours and weekdays."""

from __future__ import annotations

from flask_irl.behaviour.site_statistics import hour_rarity, learn_site, weekday_rarity


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
