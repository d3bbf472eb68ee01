"""Test the buffer: bounded, in order, and a flood of local refusals is one observation."""

from __future__ import annotations

from typing import Any

from flask_irl.behaviour.buffer import Buffer
from flask_irl.behaviour.observation import Fields, Observation


def seen(client: str, at: float = 1.0, **changes: Any) -> Fields:
    return Observation(client, at, -1.0, "/", 1, "GET", 200, 10, changes.get("refused", False))


def test_the_oldest_observation_is_taken_first() -> None:
    buffer = Buffer()
    for at in range(5):
        buffer.add(seen("a", at))
    assert [f[1] for f in buffer.take(3)] == [0, 1, 2]
    assert len(buffer) == 2
    assert [f[1] for f in buffer.take(9)] == [3, 4]
    assert buffer.take(9) == []


def test_beyond_its_capacity_the_oldest_go() -> None:
    buffer = Buffer(capacity=3)
    for at in range(5):
        buffer.add(seen("a", at))
    assert [f[1] for f in buffer.take(9)] == [2, 3, 4]


def test_refusals_that_no_store_saw_become_one_that_stands_for_them_all() -> None:
    buffer = Buffer()
    for at in range(1000):
        buffer.add_refused(seen("flood", at, refused=True))
    buffer.add_refused(seen("other", refused=True))
    [flood, other] = buffer.take_refused()
    assert (flood[0], flood[1], flood[8], flood[9]) == ("flood", 999, True, 1000)
    assert other[9] == 1
    assert buffer.take(0) == []


def test_what_is_put_back_comes_first_and_the_oldest_go_where_there_is_no_room() -> None:
    buffer = Buffer(capacity=4)
    for at in (7, 8):
        buffer.add(seen("a", at))
    buffer.put_back([seen("a", at) for at in (1, 2, 3)])
    assert [f[1] for f in buffer.take(9)] == [2, 3, 7, 8]


def test_observations_are_counted_by_client() -> None:
    buffer = Buffer()
    for client in ("a", "b", "b"):
        buffer.add(seen(client))
    for _ in range(5):
        buffer.add_refused(seen("c"))
    assert buffer.count_by_client() == {"c": 5, "b": 2, "a": 1}
    assert list(buffer.count_by_client(1)) == ["c"]
