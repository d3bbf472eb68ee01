"""Test that slots of courses are packed alike, one by one and in columns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.course_columns import COLUMNS, PACKED, pack_columns
from flask_irl.behaviour.courses import (
    FORM,
    MOST_COUNTED,
    SLOT_SECONDS,
    Slot,
    add_slot,
    number_of,
    pack,
    slot_of,
    unpack,
)

NUMBER = 6_000_000
BEGINS = NUMBER * SLOT_SECONDS
counts = st.integers(0, 2 * MOST_COUNTED)
moments = st.none() | st.floats(BEGINS, BEGINS + 299.9)
slots = st.builds(
    Slot,
    st.just(NUMBER),
    st.tuples(counts, counts, counts, counts, counts),
    counts,
    st.integers(0, 1000).map(lambda part: part / -1000),
    st.integers(0, 255),
    moments,
    moments,
)


@given(st.lists(slots, min_size=1, max_size=4))
def test_columns_are_packed_as_slots_are(many: list[Slot]) -> None:
    columns = np.zeros(len(many), dtype=COLUMNS)
    for place, slot in enumerate(many):
        columns[place] = (
            slot.minutes,
            slot.refused,
            slot.lowest,
            slot.step,
            slot.flagged_at or 0.0,
            slot.relieved_at or 0.0,
        )
    assert pack_columns(NUMBER, columns) == [pack(slot) for slot in many]


@given(slots)
def test_a_packed_slot_is_read_as_columns_and_as_a_slot(slot: Slot) -> None:
    packed = pack(slot)
    [row] = np.frombuffer(packed, dtype=PACKED)
    [read] = unpack(packed)
    assert PACKED.itemsize == FORM.size == len(packed)
    assert (int(row["number"]), tuple(row["minutes"].tolist())) == (read.number, read.minutes)
    assert (int(row["refused"]), int(row["step"])) == (read.refused, read.step)
    assert int(row["lowest"]) / -10_000 == read.lowest
    assert (number_of(packed), slot_of(BEGINS + 299.9)) == (NUMBER, NUMBER)
    for kept, told in ((read.flagged_at, slot.flagged_at), (read.relieved_at, slot.relieved_at)):
        assert (kept is None) == (told is None)
        assert kept is None or told is None or 0 <= told - kept < 2


@given(slots, slots)
def test_the_order_of_two_parts_does_not_matter(one: Slot, two: Slot) -> None:
    first, second = (add_slot(add_slot(b"", pack(a)), pack(b)) for a, b in ((one, two), (two, one)))
    assert first == second
