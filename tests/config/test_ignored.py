"""Test which settings are found that nobody reads."""

from __future__ import annotations

from typing import Any

import pytest
from flask_limiter.constants import ConfigVars

from flask_irl.config.ignored import (
    FLASK_LIMITER,
    flask_limiter_keys,
    late_changes,
    unknown_variables,
)
from flask_irl.config.options import OPTIONS
from flask_irl.config.sources import resolve


def test_a_misspelt_variable_is_found_with_the_name_nearest_to_it() -> None:
    environment = {
        "IRL_BASELIMIT": "5",
        "IRL_ENABELD": "no",
        "IRL_": "",
        "IRLANDE": "1",
        "PATH": "/bin",
    }
    assert unknown_variables(environment) == {
        "IRL_": "",
        "IRL_BASELIMIT": "IRL_BASE_LIMIT",
        "IRL_ENABELD": "IRL_ENABLED",
    }


def test_the_variables_of_all_options_are_known() -> None:
    known = {variable: "1" for spec in OPTIONS.values() for variable in spec.variables}
    assert unknown_variables(known) == {}


def test_the_process_environment_is_looked_at_when_no_other_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IRL_MOOD", "shadow")
    assert unknown_variables() == {"IRL_MOOD": "IRL_MODE"}


def test_every_key_of_flask_limiter_is_known_with_a_counterpart_that_exists() -> None:
    theirs = {value for name, value in vars(ConfigVars).items() if name.isupper()}
    assert theirs <= FLASK_LIMITER.keys()
    keys = {spec.config_key for spec in OPTIONS.values()}
    named = {word for text in FLASK_LIMITER.values() for word in text.split() if "IRL_" in word}
    assert named <= keys


def test_keys_of_the_apps_own_are_not_taken_for_flask_limiters() -> None:
    config = {"RATELIMIT_STORAGE_URI": "memory://", "RATELIMIT_OF_OURS": 5, "SECRET_KEY": "x"}
    assert flask_limiter_keys(config) == {"RATELIMIT_STORAGE_URI": "IRL_STORAGE_URI"}


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({}, {}, []),
        ({}, {"IRL_BASE_LIMIT": 6}, ["IRL_BASE_LIMIT"]),
        ({}, {"IRL_BASE_LIMIT": 100}, []),
        ({"IRL_BASE_LIMIT": 6}, {}, ["IRL_BASE_LIMIT"]),
        ({"IRL_BASE_LIMIT": 6}, {"IRL_BASE_LIMIT": "6"}, []),
        ({}, {"IRL_MODE": "shadwo"}, ["IRL_MODE"]),
        ({}, {"IRL_MOOD": "shadow"}, ["IRL_MOOD"]),
        ({}, {"SECRET_KEY": "x"}, []),
    ],
)
def test_a_key_of_the_config_that_changed_is_found(
    before: dict[str, Any], after: dict[str, Any], names: list[str]
) -> None:
    assert late_changes(resolve({}, before, {}), {}, after, {}) == names


def test_a_key_over_which_an_argument_wins_has_not_changed_anything() -> None:
    arguments = {"base_limit": 5}
    options = resolve(arguments, {}, {})
    assert late_changes(options, arguments, {"IRL_BASE_LIMIT": 6}, {}) == []


def test_a_list_given_that_has_grown_since_is_found() -> None:
    friends = ["192.0.2.1"]
    arguments = {"allow": friends}
    options = resolve(arguments, {}, {})
    friends.append("192.0.2.2")
    assert late_changes(options, arguments, {}, {}) == ["allow"]


def test_a_variable_that_is_set_too_late_is_found() -> None:
    options = resolve({}, {}, {})
    assert late_changes(options, {}, {}, {"REDIS_URL": "redis://late"}) == ["REDIS_URL"]
