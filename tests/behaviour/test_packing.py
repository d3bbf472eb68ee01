"""Test packing of rows: nothing is lost, little is stored, and damage is told from a row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.packing import Words, pack, unpack

WIDTHS = st.sampled_from([1, 8, 16, 17, 88])


def rows_of(*rows: list[int]) -> Words:
    return np.array(rows, np.uint16)


@given(st.data(), WIDTHS)
def test_rows_come_back_whatever_they_hold(data: st.DataObject, width: int) -> None:
    row = st.lists(st.sampled_from([0, 0, 0, 1, 0x8000, 0xFFFF]), min_size=width, max_size=width)
    rows = rows_of(*data.draw(st.lists(row, min_size=1, max_size=5)))
    np.testing.assert_array_equal(unpack(pack(rows), width), rows)


def test_no_rows_are_none() -> None:
    rows = np.zeros((0, 20), np.uint16)
    assert pack(rows) == []
    np.testing.assert_array_equal(unpack([], 20), rows)


def test_a_zero_takes_a_bit_and_another_half_word_two_bytes() -> None:
    [blob] = pack(rows_of([0, 7] * 8))
    assert len(blob) == 2 + 2 * 8


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b[:-2], lambda b: b + b"\1\1"])
def test_a_row_of_another_length_is_zero_and_its_neighbours_come_back(
    change: Callable[[bytes], bytes],
) -> None:
    rows = rows_of([0, 1, 2, 3], [0, 0, 0, 0], [4, 5, 6, 7])
    first, second, third = pack(rows)
    np.testing.assert_array_equal(
        unpack([first, change(second), third], 4), rows_of([0, 1, 2, 3], [0] * 4, [4, 5, 6, 7])
    )
    np.testing.assert_array_equal(
        unpack([change(first), second, third], 4), rows_of([0] * 4, [0] * 4, [4, 5, 6, 7])
    )


@given(st.lists(st.binary(max_size=40), max_size=6), WIDTHS)
def test_any_bytes_give_rows(blobs: list[bytes], width: int) -> None:
    rows = unpack(blobs, width)
    assert rows.shape == (len(blobs), width)
    for blob, row in zip(blobs, rows, strict=True):
        assert not row.any() or len(blob) > 2
