"""Count requests over time."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.replay.series import MAX_BUCKETS, Series

TIMES = st.lists(st.one_of(st.floats(0, 4e9), st.floats(0, 4e5)), min_size=1, max_size=60)


@given(TIMES, st.floats(0.001, 1e6))
def test_series_counts_everything_in_its_bucket(times: list[float], width: float) -> None:
    series = Series(width)
    for number, ts in enumerate(times):
        series.add(ts, number % 2 == 0, number % 3 == 0, number % 5 == 0)
    assert len(series.allowed) <= MAX_BUCKETS
    expected: dict[str, Counter[int]] = {}
    for number, ts in enumerate(times):
        bucket = int(ts // series.bucket_seconds) - series.first
        expected.setdefault("refused" if number % 2 == 0 else "allowed", Counter())[bucket] += 1
        if number % 3 == 0:
            expected.setdefault("flagged", Counter())[bucket] += 1
        if number % 5 == 0:
            expected.setdefault("static_refused", Counter())[bucket] += 1
    for name, counts in expected.items():
        found = getattr(series, name)
        assert len(found) == len(series.allowed)
        assert sum(found) == counts.total()
        assert {i: n for i, n in enumerate(found) if n} == counts


def test_series_buckets_widen_no_more_than_needed() -> None:
    series = Series(60)
    for minute in range(MAX_BUCKETS):
        series.add(minute * 60 + 30, False, False, False)
    assert (series.bucket_seconds, series.allowed) == (60, [1] * MAX_BUCKETS)
    series.add(MAX_BUCKETS * 60, False, False, False)
    assert (series.bucket_seconds, series.allowed) == (120, [2] * (MAX_BUCKETS // 2) + [1])


@pytest.mark.parametrize("width", [0, -1, math.nan, math.inf])
def test_series_refuses_a_width_that_is_none(width: float) -> None:
    with pytest.raises(ValueError, match="bucket_seconds"):
        Series(width)
