"""The backlog: bounded, in order, and a flood of local refusals is one."""

from __future__ import annotations

from typing import Any

from flask_irl.behaviour.buffer import Backlog
from flask_irl.behaviour.observation import Fields


def seen(client: str, at: float = 1.0, **changes: Any) -> Fields:
    return (client, at, -1.0, "/", 1, "GET", 200, 10, changes.get("refused", False), 1, False)


def test_what_came_first_is_taken_first() -> None:
    backlog = Backlog()
    for at in range(5):
        backlog.add(seen("a", at))
    assert [f[1] for f in backlog.take(3)] == [0, 1, 2]
    assert len(backlog) == 2
    assert [f[1] for f in backlog.take(9)] == [3, 4]
    assert backlog.take(9) == []


def test_beyond_its_capacity_the_oldest_go() -> None:
    backlog = Backlog(capacity=3)
    for at in range(5):
        backlog.add(seen("a", at))
    assert [f[1] for f in backlog.take(9)] == [2, 3, 4]


def test_refusals_that_no_store_saw_become_one_that_stands_for_them_all() -> None:
    backlog = Backlog()
    for at in range(1000):
        backlog.add_refused(seen("flood", at, refused=True))
    backlog.add_refused(seen("other", refused=True))
    [flood, other] = backlog.take(0)
    assert (flood[0], flood[1], flood[8], flood[9]) == ("flood", 999, True, 1000)
    assert other[9] == 1
    assert backlog.take(0) == []


def test_it_tells_who_waits() -> None:
    backlog = Backlog()
    for client in ("a", "b", "b"):
        backlog.add(seen(client))
    for _ in range(5):
        backlog.add_refused(seen("c"))
    assert backlog.by_client() == {"c": 5, "b": 2, "a": 1}
    assert list(backlog.by_client(1)) == ["c"]
    assert "b" in backlog and "c" in backlog and "d" not in backlog
