"""Test rankings: bounded, whatever a flush holds; mended clients leave that of the flagged."""

from __future__ import annotations

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.verdicts.rankings import MAX_ENTRIES, Rankings


def note(rankings: Rankings, clients: list[str], steps: list[int], scores: list[float]) -> None:
    records = profile.decode([b""] * len(clients))
    records["stepped"] = 7
    rankings.add(clients, records, np.array(scores), np.array(steps))


def test_entries_are_in_the_store_once_they_are_saved() -> None:
    store, rankings = MemoryStore(), Rankings()
    note(rankings, ["a", "b", "c"], [0, 1, 2], [-0.1, -0.9, 0.0])
    assert store.ranked("anomalous", 0, 9) == ([], 0)
    rankings.save(store)
    assert store.ranked("anomalous", 0, 9) == (["b", "a"], 2)
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
    names, total = store.ranked("anomalous", 0, 2)
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
    steps = np.ones(len(records), dtype=int)
    rankings.add(["a", *others], records, np.full(len(records), -0.9), steps)
    rankings.save(store)
    assert "a" in store.ranked("flagged", 0, 1000)[0]
