"""Test slices: few clients each, nothing twice, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.buffer import Buffer
from flask_irl.behaviour.observation import Fields, Observation
from flask_irl.verdicts.slices import Size, rest_of, slices, take_by_client


def seen(client: str, at: float) -> Fields:
    return (*Observation(client, at, -1.0, "/", 0, "GET", 200, 10, False),)


def counted(numbers: list[int]) -> dict[str, list[Fields]]:
    """Make so many observations of each client."""
    return {f"c{i}": [seen(f"c{i}", at) for at in range(n)] for i, n in enumerate(numbers)}


@given(st.lists(st.integers(1, 12), max_size=30), st.integers(1, 9), st.integers(1, 9))
def test_slices_are_bounded_and_hold_everything_once_in_order(
    numbers: list[int], clients: int, observations: int
) -> None:
    found: dict[str, list[Fields]] = {}
    for part in slices(counted(numbers), Size(clients, observations)):
        assert 1 <= len(part) <= clients
        assert 1 <= sum(map(len, part.values())) <= observations
        for client, own in part.items():
            found.setdefault(client, []).extend(own)
    assert found == counted(numbers)


def test_a_client_that_fits_is_in_one_slice() -> None:
    parts = list(slices(counted([3] * 10), Size(4, 12)))
    assert [len(part) for part in parts] == [4, 4, 2]


def test_slices_of_few_observations_are_alike() -> None:
    assert [len(part) for part in slices(counted([1] * 9), Size(8, 99))] == [5, 4]


def test_what_no_slice_has_taken_is_left_in_order_of_time() -> None:
    by_client = {"a": [seen("a", 1)], "b": [seen("b", 2), seen("b", 5)], "c": [seen("c", 3)]}
    next(slices(by_client, Size(1, 9)))
    assert [fields[:2] for fields in rest_of(by_client)] == [("b", 2), ("c", 3), ("b", 5)]


def test_what_comes_while_observations_are_taken_waits_for_the_next_flush() -> None:
    buffer = Buffer()
    for at in range(2500):
        buffer.add(seen(f"c{at % 2}", at))
    buffer.add_refused(seen("r", 9))
    by_client, number = take_by_client(buffer, lambda: buffer.add(seen("late", 0)))
    assert number == 2501
    assert {client: len(own) for client, own in by_client.items()} == {
        "c0": 1250,
        "c1": 1250,
        "r": 1,
    }
    assert {fields[0] for fields in buffer.take(99)} == {"late"}
