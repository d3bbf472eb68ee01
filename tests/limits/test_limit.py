"""Test the figures of a limit, its reading from text, and its amount at a step."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from limits import parse_many

from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import (
    MAX_AMOUNT,
    MAX_LIMITS,
    MAX_WINDOW_SECONDS,
    Limit,
    parse_limits,
    scale,
)

YEAR = 360 * 86_400
"""Seconds of a year of the ``limits`` library, whose months have 30 days."""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, 60), "limit 0"),
        ((-1, 60), "limit -1"),
        ((MAX_AMOUNT + 1, 60), f"limit {MAX_AMOUNT + 1}"),
        ((1.5, 60), "limit 1.5"),
        (("5", 60), "limit '5'"),
        ((True, 60), "limit True"),
        ((None, 60), "limit None"),
        ((5, 0), "window 0"),
        ((5, MAX_WINDOW_SECONDS + 1), f"window {MAX_WINDOW_SECONDS + 1}"),
        ((5, 0.5), "window 0.5"),
        ((5, 60, 0), "burst 0"),
        ((5, 60, 6), "burst 6"),
        ((5, 60, 2.0), "burst 2.0"),
    ],
)
def test_a_figure_out_of_its_range_is_refused_by_name(
    arguments: tuple[Any, ...], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{named} is not allowed: give .* from 1 to"):
        Limit(*arguments)


@pytest.mark.parametrize("limit", [Limit(1, 1, 1), Limit(MAX_AMOUNT, MAX_WINDOW_SECONDS)])
def test_the_ends_of_the_ranges_are_allowed(limit: Limit) -> None:
    assert limit.at(1.0) == limit.amount


@pytest.mark.parametrize(
    ("amount", "factor", "left"),
    [
        (100, 1.0, 100),
        (100, 0.3, 30),
        (20, 0.25, 5),
        (5, 0.5, 3),
        (10, 0.25, 3),
        (3, 0.01, 1),
        (1, 0.3, 1),
        (100, 0.0, 0),
        (MAX_AMOUNT, 1.0, MAX_AMOUNT),
    ],
)
def test_a_step_leaves_the_nearest_whole_number_of_requests(
    amount: int, factor: float, left: int
) -> None:
    assert Limit(amount, 60).at(factor) == left


@given(amount=st.integers(1, MAX_AMOUNT), factor=st.floats(1e-9, 1.0))
def test_a_step_leaves_something_and_never_more_than_the_limit(amount: int, factor: float) -> None:
    left = scale(amount, factor)
    assert 1 <= left <= amount
    assert left == 1 or abs(left - amount * factor) <= 0.5


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("5/minute", (Limit(5, 60),)),
        ("5 per minute", (Limit(5, 60),)),
        ("10 PER 2 Hours", (Limit(10, 7200),)),
        ("1/second;100/hour", (Limit(1, 1), Limit(100, 3600))),
        ("1/second, 100/day | 5/3 month", (Limit(1, 1), Limit(100, 86_400), Limit(5, YEAR // 4))),
        ("1000/year", (Limit(1000, YEAR),)),
    ],
)
def test_limits_are_written_as_the_limits_library_writes_them(
    text: str, limits: tuple[Limit, ...]
) -> None:
    assert parse_limits(text) == limits


def test_a_burst_is_cut_to_each_limits_amount() -> None:
    assert parse_limits("5/minute;100/hour", burst=20) == (Limit(5, 60, 5), Limit(100, 3600, 20))


@pytest.mark.parametrize(
    "bad",
    ["", " ", "5", "minute", "5/fortnight", "five/minute", "-5/minute", "1.5/minute", "5/minute;",
     "5/minute 6/hour", None, 5, 5.0, True, b"5/minute", ["5/minute"], {"5/minute": 1}],
)  # fmt: skip
def test_a_text_that_is_no_limit_is_quoted(bad: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_limits(bad)
    assert repr(bad) in str(caught.value)
    assert "<count>/<unit>" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("0/minute", "limit 0"),
        (f"{MAX_AMOUNT + 1}/minute", f"limit {MAX_AMOUNT + 1}"),
        ("5/100 years", f"window {100 * YEAR}"),
    ],
)
def test_a_limit_out_of_range_is_refused(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        parse_limits(text)


def test_more_limits_than_count_together_are_refused() -> None:
    text = ";".join(["5/minute"] * MAX_LIMITS)
    assert len(parse_limits(text)) == MAX_LIMITS
    with pytest.raises(ConfigurationError, match=f"are {MAX_LIMITS + 1}: at most {MAX_LIMITS}"):
        parse_limits(text + ";5/minute")


WORDS = st.sampled_from(
    [
        *("5", "0", "-1", "1.5", "9" * 400, "9" * 5000, "\u0661", "\u00b2", "1_0", "0x5", "inf"),
        *("/", " per ", "per", ";", ",", "|", " ", "\n", "\0", "\ud800", "\u2028"),
        *("second", "minutes", "hour", "day", "month", "year", "fortnight", "SECOND"),
    ]
)


@given(st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=40), st.none() | st.integers())
@example("1/minute;" * 20, None)
@example("1 per " + "9" * 5000 + " minute", None)
def test_any_text_is_limits_or_a_wrong_configuration(text: str, burst: int | None) -> None:
    try:
        limits = parse_limits(text, burst)
    except ConfigurationError:
        return
    assert 1 <= len(limits) <= MAX_LIMITS
    for limit in limits:
        assert 1 <= limit.amount <= MAX_AMOUNT
        assert 1 <= limit.window_seconds <= MAX_WINDOW_SECONDS


@given(st.lists(WORDS, max_size=12).map("".join))
@example("5/minute")
@example("5per3\nminutes ;1/ hour|7 per 2 day,2/month;3/year")
@example("5/minute:;10/hour")
@example("5/0 minutes")
@example("5/minute\n")
def test_any_text_is_read_as_the_limits_library_reads_it(text: str) -> None:
    try:
        theirs = parse_many(text)
        expected = tuple(Limit(each.amount, each.get_expiry()) for each in theirs)
    except (ValueError, TypeError, ConfigurationError):
        with pytest.raises(ConfigurationError):
            parse_limits(text)
    else:
        assert parse_limits(text) == expected


def test_a_plain_limit_is_read_without_the_library() -> None:
    code = (
        "import sys; from flask_irl.limits.limit import parse_limits; "
        "parse_limits('20/minute;100 per 2 hours;5/calendar-day'); print('limits' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "False\n", run.stderr


@pytest.mark.parametrize(
    "text",
    ["'1' + ' ' * 9000 + 'per' + ' ' * 9000 + 'x'", "'1 per 1 minute;' * 30 + '!'"],
    ids=["blanks", "parts"],
)
def test_no_text_takes_long_to_be_refused(text: str) -> None:
    # In a process of its own: an expression that tries all ways can't be interrupted.
    code = (
        "from flask_irl.errors import ConfigurationError\n"
        "from flask_irl.limits.limit import parse_limits\n"
        f"try: parse_limits({text})\n"
        "except ConfigurationError: print('refused')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "refused\n", run.stderr
