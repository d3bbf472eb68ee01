"""Test settings changed at run time: checked on the way into the store and out of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.config.options import OPTIONS, Options
from flask_irl.config.runtime import (
    CHANGEABLE,
    apply_settings,
    check_settings,
    read_settings,
    write_settings,
)
from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import Limit

ALLOWED = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["enforce", "shadow", "off"]),
        "base_limit": st.integers(1, 2**31 - 1),
        "window_seconds": st.integers(1, 366 * 86400),
        "anomalous_factor": st.floats(0.0, 1.0, exclude_min=True),
        "further_factors": st.sets(st.floats(0.0, 1.0), max_size=8).map(
            lambda factors: tuple(sorted(factors, reverse=True))
        ),
        "anomaly_threshold": st.floats(-1.0, 0.0),
    },
)
NOT_ALLOWED: list[tuple[str, Any]] = [
    ("base_limit", 0),
    ("base_limit", 2**31),
    ("base_limit", 1.5),
    ("base_limit", True),
    ("base_limit", "many"),
    ("base_limit", None),
    ("window_seconds", 0),
    ("window_seconds", 366 * 86400 + 1),
    ("anomalous_factor", 0),
    ("anomalous_factor", 1.01),
    ("anomalous_factor", float("nan")),
    ("further_factors", (0.1, 0.2)),
    ("further_factors", [0.1, 0.1]),
    ("further_factors", [-0.1]),
    ("further_factors", 5),
    ("anomaly_threshold", 0.01),
    ("anomaly_threshold", -1.01),
    ("anomaly_threshold", [0.5]),
    ("mode", "on"),
    ("mode", None),
    ("mode", ["off"]),
]


@given(ALLOWED)
def test_written_settings_are_read_back(settings: dict[str, Any]) -> None:
    assert read_settings(write_settings(check_settings(settings))) == settings


@given(ALLOWED)
def test_settings_replace_their_options_and_no_other(settings: dict[str, Any]) -> None:
    options = Options(default_limits=(Limit(5, 1),), burst=2)
    changed = apply_settings(options, settings)
    for name in OPTIONS:
        assert getattr(changed, name) == settings.get(name, getattr(options, name))


def test_the_same_settings_are_written_as_the_same_bytes() -> None:
    one = write_settings({"mode": "off", "base_limit": 5})
    assert one == write_settings({"base_limit": 5, "mode": "off"})


def test_numbers_may_come_as_text_and_are_stored_as_numbers() -> None:
    assert check_settings({"base_limit": "50", "anomalous_factor": "0.5"}) == {
        "base_limit": 50,
        "anomalous_factor": 0.5,
    }


@pytest.mark.parametrize(("name", "value"), NOT_ALLOWED)
def test_a_value_that_is_not_allowed_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_settings({"base_limit": 5, name: value})
    assert str(caught.value).startswith(f"{name} is {value!r}")
    assert ": give " in str(caught.value)


@pytest.mark.parametrize("name", ["", "strategy", "storage_uri", "admin_token", "BASE_LIMIT"])
def test_an_option_fixed_at_run_time_is_refused_with_a_list_of_the_others(
    name: str,
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_settings({name: 1})
    message = str(caught.value)
    assert message.startswith(f"{name!r} can't be changed at run time")
    assert all(option in message for option in ("mode", *CHANGEABLE))


@pytest.mark.parametrize(
    "stored",
    [None, b"", b"{", b"\xff\xfe", b"null", b"[]", b'"mode"', b"5", b"{}"],
)
def test_unreadable_settings_are_none(stored: bytes | None) -> None:
    assert read_settings(stored) == {}


@pytest.mark.parametrize(("name", "value"), [*NOT_ALLOWED, ("strategy", "gcra"), ("", 1)])
def test_a_stored_setting_that_is_not_allowed_any_more_is_left_out_alone(
    name: str, value: Any
) -> None:
    # Written by another version, or by hand.
    others = {"base_limit": 5, "mode": "shadow"}
    others.pop(name, None)
    assert read_settings(json.dumps({**others, name: value}).encode()) == others


@given(st.binary(max_size=200))
def test_reading_settings_never_raises(stored: bytes) -> None:
    assert set(read_settings(stored)) <= {"mode", *CHANGEABLE}
