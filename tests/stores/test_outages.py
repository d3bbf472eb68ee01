"""Nodes and slots of a cluster that are out are left alone, and nobody else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from flask_irl.errors import OUT, StoreError
from flask_irl.stores.breaker import FAILURES, PAUSES
from flask_irl.stores.redis.outages import FORGET_SECONDS, Outages
from flask_irl.stores.redis.pool import Pool
from tests.conftest import Clock

ERROR = StoreError("refused", part="a:1")


class Node:
    """A node by its name."""

    def __init__(self, node: str) -> None:
        self.node = node


ONE, OTHER = (cast(Pool, Node(name)) for name in ("a:1", "b:1"))
NODES = (ONE, OTHER)


@pytest.fixture
def outages(clock: Clock) -> Iterator[Outages]:
    def probe(node: Pool) -> None:
        raise StoreError("still out")

    outages = Outages(probe, clock)
    yield outages
    outages.close()


def part_out(outages: Outages, slot: int, node: Pool = ONE) -> str | None:
    """Give the part that keeps a call from being made; None for a call that is made."""
    try:
        outages.check_node(node, NODES)
        outages.check_slot(slot)
    except StoreError as error:
        assert error.kind == OUT
        return error.part
    return None


def fail(outages: Outages, node: Pool, times: int = FAILURES) -> None:
    for _ in range(times):
        outages.node_failed(node, ERROR)


def test_a_node_is_out_after_three_failures_in_a_row(outages: Outages) -> None:
    fail(outages, ONE, 2)
    outages.worked(7, ONE)
    fail(outages, ONE, 2)
    assert part_out(outages, 7) is None
    fail(outages, ONE, 1)
    assert part_out(outages, 7) == "a:1"
    assert part_out(outages, 7, OTHER) is None


def test_with_all_nodes_out_the_store_is_out_as_a_whole(outages: Outages) -> None:
    fail(outages, ONE)
    fail(outages, OTHER)
    assert part_out(outages, 7) == ""


def test_nothing_is_looked_at_while_nothing_has_failed(outages: Outages) -> None:
    assert not outages.any
    fail(outages, ONE, 1)
    assert outages.any
    outages.worked(7, ONE)
    assert not outages.any
    outages.slot_failed(7)
    assert outages.any
    outages.worked(7, ONE)
    assert not outages.any


def test_one_call_asks_for_a_slot_after_each_of_growing_pauses(
    outages: Outages, clock: Clock
) -> None:
    for pause in (*PAUSES, PAUSES[-1]):
        outages.slot_failed(7)
        clock.advance(pause - 0.01)
        assert part_out(outages, 7) == "slot 7"
        assert part_out(outages, 8) is None
        clock.advance(0.02)
        assert part_out(outages, 7) is None
        # Others don't while it does.
        assert part_out(outages, 7) == "slot 7"


def test_a_slot_that_works_again_is_asked_for_by_all(outages: Outages, clock: Clock) -> None:
    outages.slot_failed(7)
    clock.advance(PAUSES[0])
    assert part_out(outages, 7) is None
    outages.worked(7, ONE)
    assert [part_out(outages, 7) for _ in range(3)] == [None] * 3


def test_slots_that_nobody_asks_for_are_forgotten(outages: Outages, clock: Clock) -> None:
    for slot in range(100):
        outages.slot_failed(slot)
    clock.advance(FORGET_SECONDS + 1)
    outages.slot_failed(200)
    assert outages._slots.keys() == {200}


def test_a_forked_process_begins_anew(outages: Outages) -> None:
    fail(outages, ONE)
    outages.slot_failed(7)
    outages.close()
    outages.forget()
    assert not outages.any
    assert part_out(outages, 7) is None


def test_after_its_end_nothing_is_probed(outages: Outages) -> None:
    outages.close()
    fail(outages, ONE)
    assert not outages.is_out(ONE)
