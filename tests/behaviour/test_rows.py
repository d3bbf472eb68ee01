"""Test training rows, the site's statistics, and the crowd guard."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import ROW, client_hash, pack_rows, unpack_rows, within_quota
from flask_irl.behaviour.site_statistics import hour_rarity, learn_site, weekday_rarity
from flask_irl.verdicts.crowd_guard import LEAST_FLAGGED, WINDOW_SECONDS, CrowdGuard


def rows_of(clients: list[str]) -> list[bytes]:
    at = np.arange(len(clients), dtype=float)
    features = np.ones((len(clients), len(FEATURE_NAMES)), dtype=np.float32)
    return pack_rows(clients, np.ones(len(clients)), at, features)


def test_rows_survive_packing_in_order_of_time() -> None:
    rows = unpack_rows(rows_of(["a", "b", "c"])[::-1])
    assert rows["client"].tolist() == [client_hash(c) for c in "abc"]
    assert rows["features"].tolist() == [[1.0] * len(FEATURE_NAMES)] * 3


def test_rows_of_another_schema_or_damaged_are_left_out() -> None:
    [row] = rows_of(["a"])
    foreign = bytes([row[0] ^ 1]) + row[1:]
    endless = np.frombuffer(row, dtype=ROW).copy()
    endless["features"][0, 0] = np.nan
    assert len(unpack_rows([row, foreign, row[:-1], b"", endless.tobytes()])) == 1
    assert len(unpack_rows([])) == 0


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=120))
def test_no_client_has_more_rows_than_its_quota(clients: list[str]) -> None:
    rows = unpack_rows(rows_of(clients))
    kept = within_quota(rows, 0.1, 5)
    quota = max(5, int(len(rows) * 0.1))
    for client in set(clients):
        expected = min(clients.count(client), quota)
        assert (kept["client"] == client_hash(client)).sum() == expected


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


def test_the_guard_turns_on_for_a_crowd_and_off_after_it(caplog: pytest.LogCaptureFixture) -> None:
    guard, now = CrowdGuard(), 1000.0
    names = [f"c{i}" for i in range(LEAST_FLAGGED * 2)]
    odd = np.array([i < LEAST_FLAGGED for i in range(len(names))])
    with caplog.at_level(logging.INFO, logger="flask_irl"):
        assert guard.admit(names, odd, now)
        assert guard.admit(names, odd, now + 1)
        assert guard.flagged == LEAST_FLAGGED
        later = now + 3 * WINDOW_SECONDS
        assert not guard.admit(names, np.zeros(len(names), dtype=bool), later)
    assert [r.message.split()[0] for r in caplog.records] == ["crowd_guard_on", "crowd_guard_off"]


@pytest.mark.parametrize(("flagged", "clients"), [(LEAST_FLAGGED - 1, 12), (LEAST_FLAGGED, 100)])
def test_a_few_attackers_are_no_crowd(flagged: int, clients: int) -> None:
    names = [f"c{i}" for i in range(clients)]
    odd = np.array([i < flagged for i in range(clients)])
    assert not CrowdGuard().admit(names, odd, 1000.0)


def test_attackers_that_came_one_by_one_and_stay_are_no_crowd() -> None:
    guard, names = CrowdGuard(), [f"c{i}" for i in range(LEAST_FLAGGED * 4)]
    held = np.zeros(len(names), dtype=bool)
    for second in range(0, 3600, 20):
        # One more every two minutes, until half of all clients are attackers.
        attackers = min(1 + second // 120, LEAST_FLAGGED * 2)
        flagged = np.arange(len(names)) < attackers
        assert not guard.admit(names, flagged, 1000.0 + second, held)
        held = flagged
    assert guard.flagged == LEAST_FLAGGED * 2


def test_a_crowd_that_nobody_holds_down_stays_one() -> None:
    guard, names = CrowdGuard(), [f"c{i}" for i in range(LEAST_FLAGGED * 2)]
    flagged, held = np.ones(len(names), dtype=bool), np.zeros(len(names), dtype=bool)
    for second in range(0, 3600, 20):
        assert guard.admit(names, flagged, 1000.0 + second, held)
