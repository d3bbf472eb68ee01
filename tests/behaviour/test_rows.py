"""Test training rows: packed and unpacked, damaged ones left out, thinned out by client."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import ROW, client_hash, pack_rows, unpack_rows, within_quota


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
    thinned = within_quota(rows, 0.1, 5)
    quota = max(5, int(len(rows) * 0.1))
    for client in set(clients):
        expected = min(clients.count(client), quota)
        assert (thinned["client"] == client_hash(client)).sum() == expected
