"""Test rankings: bounded, whatever a flush holds; mended clients leave that of the flagged."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour import profile
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.verdicts.rankings import (
    FORMER,
    MAX_ENTRIES,
    RANKINGS,
    Ranking,
    Rankings,
    clear_rankings,
)

NOW = 1_700_000_000.0
ANOMALOUS = RANKINGS["anomalous"].stored


def note(
    rankings: Rankings, clients: list[str], steps: list[int], scores: list[float], at: float = NOW
) -> None:
    records = profile.decode([b""] * len(clients))
    records["stepped"] = 7
    records["updated"] = at
    rankings.add(clients, records, np.array(scores), np.array(steps))


def test_entries_are_in_the_store_once_they_are_saved() -> None:
    store, rankings = MemoryStore(), Rankings()
    note(rankings, ["a", "b", "c"], [0, 1, 2], [-0.1, -0.9, 0.0])
    assert store.ranked(ANOMALOUS, 0, 9) == ([], 0)
    rankings.save(store)
    assert store.ranked(ANOMALOUS, 0, 9) == (["b", "a"], 2)
    assert set(store.ranked("flagged", 0, 9)[0]) == {"b", "c"}
    assert store.unique_clients() == 3


def test_the_last_part_of_a_flush_decides_whether_a_client_is_flagged() -> None:
    store = MemoryStore()
    store.rank("flagged", {"a": 1.0, "b": 1.0})
    rankings = Rankings()
    note(rankings, ["a", "b"], [1, 0], [-0.9, -0.1])
    note(rankings, ["a", "b"], [0, 1], [-0.1, -0.9])
    rankings.save(store)
    assert store.ranked("flagged", 0, 9) == (["b"], 1)


def test_of_many_clients_only_the_highest_are_ranked() -> None:
    store, rankings = MemoryStore(), Rankings()
    for start in range(0, 1000, 100):
        names = [f"c{n}" for n in range(start, start + 100)]
        note(rankings, names, [0] * 100, [-n / 1000 for n in range(start, start + 100)])
    rankings.save(store)
    names, total = store.ranked(ANOMALOUS, 0, 2)
    assert (names, total) == (["c999", "c998"], MAX_ENTRIES)


def test_without_clients_the_store_is_left_alone() -> None:
    Rankings().save(None)  # type: ignore[arg-type]


def test_a_client_that_is_flagged_again_stays_ranked_however_many_are_flagged_with_it() -> None:
    store = MemoryStore()
    store.rank("flagged", {"a": 1.0})
    rankings = Rankings()
    note(rankings, ["a"], [0], [-0.1])
    others = [f"c{n}" for n in range(2 * MAX_ENTRIES)]
    records = profile.decode([b""] * (1 + len(others)))
    records["stepped"] = [1, *range(2, 2 + len(others))]
    records["updated"] = NOW
    steps = np.ones(len(records), dtype=int)
    rankings.add(["a", *others], records, np.full(len(records), -0.9), steps)
    rankings.save(store)
    assert "a" in store.ranked("flagged", 0, 1000)[0]


VALUES = st.floats(1e-3, 60_000.0)
AGES = st.floats(0.0, 3600.0)


@given(st.lists(st.tuples(VALUES, AGES), min_size=2, max_size=8), AGES)
def test_an_order_stays_right_however_much_later_it_is_read(
    entries: list[tuple[float, float]], later: float
) -> None:
    ranking = Ranking("rate", 60.0, 0.01)
    values, ages = np.array(entries).T
    ranks = ranking.rank(values, NOW - ages)
    faded = values * np.exp(-(ages + later) / 60.0)
    for one in range(len(entries)):
        for other in range(len(entries)):
            if faded[one] > faded[other] * (1 + 1e-6):
                assert ranks[one] > ranks[other]
        rest = ranks[one] - ranking.least_rank(NOW + later)
        assert rest == pytest.approx(math.log(max(faded[one], 1e-300) / 0.01), abs=1e-4) or (
            faded[one] < 1e-290
        )


def test_what_was_yesterday_comes_after_what_is_now() -> None:
    store = MemoryStore()
    for client, score, at in (("yesterday", -1.0, NOW - 86_400), ("now", -0.2, NOW)):
        rankings = Rankings()
        note(rankings, [client], [0], [score], at)
        rankings.save(store)
    assert store.ranked(ANOMALOUS, 0, 9)[0] == ["now", "yesterday"]
    least = RANKINGS["anomalous"].least_rank(NOW)
    assert store.ranked(ANOMALOUS, 0, 9, least) == (["now"], 1)


def test_to_forget_all_takes_the_rankings_of_earlier_versions_along() -> None:
    store = MemoryStore()
    for name in FORMER:
        store.rank(name, {"a": 579.0})
    clear_rankings(store)
    assert [store.ranked(name, 0, 9)[1] for name in FORMER] == [0, 0, 0]
