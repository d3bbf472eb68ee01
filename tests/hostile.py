"""Draw values that somebody else might have written: JSON that is almost right, and rubbish."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

from hypothesis import strategies as st

DEEP = 100_000
"""Brackets that no reader of JSON follows."""
NUMBERS = [0, -1, 1, 0.5, 1e300, -1e300, math.nan, math.inf, -math.inf, 2**31, 2**63, -(2**63)]
MOMENTS = [-62_135_596_801.0, 253_402_300_800.0, 9_223_372_036.854776, 9.2e18]
"""Times that calendars, or numbers of nanoseconds, don't have."""
TEXTS = ["", "1", "nan", "x", "\0", "\ud800", "\u202e", "\x1b[31m", "a" * 3000, "203.0.113.0/33"]
LEAVES = st.sampled_from([None, True, False, *NUMBERS, *MOMENTS, 10**400, *TEXTS])
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(TEXTS[:6]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places_in(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the places of all values inside a value of JSON, its own first."""
    found = [place]
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places_in(inner, (*place, name))
    return found


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """Draw a copy of a value of JSON, another one in the place of some values inside."""
    result = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(places_in(result)))
        if not place:
            return draw(VALUES)
        holder = result
        for name in place[:-1]:
            holder = holder[name]
        if draw(st.integers(0, 7)):
            holder[place[-1]] = draw(VALUES)
        else:
            del holder[place[-1]]
    return result


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Draw bytes in the place of a JSON text: almost it, cut off, twice its members, or rubbish."""
    written = changed(json.loads(data)).map(lambda value: json.dumps(value).encode())
    rubbish = {
        "nothing": b"",
        "no text": b"\xff",
        "null": b"null",
        "deep lists": b"[" * DEEP,
        "deep objects": b'{"a":' * DEEP,
        "a long number": b"9" * 5000,
        "a long text": b'"' + b"x" * 5_000_000 + b'"',
        "all members twice": data[:-1] + b"," + data[1:],
        "UTF-16": data.decode().encode("utf-16"),
    }
    words = st.sampled_from(sorted(rubbish)).map(rubbish.__getitem__)
    cut = st.integers(0, len(data)).map(lambda end: data[:end])
    return st.one_of(written, written, written, words, cut, st.binary(max_size=40))
