"""Keep settings that an operator changes at run time: in the store, over the options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, get_args

import attrs

from flask_irl.config.options import Options, check_option
from flask_irl.errors import ConfigurationError
from flask_irl.limits.plan import Mode
from flask_irl.stored import Damaged, ignore, read_json

CHANGEABLE: Final = (
    *("base_limit", "window_seconds"),
    *("anomalous_factor", "further_factors", "anomaly_threshold"),
)
"""Options that can be changed at run time, beside the mode."""


def read_settings(data: bytes | None, damaged: Damaged = ignore) -> dict[str, Any]:
    """Decode stored settings; unreadable ones, and those not allowed any more, are left out.

    Args:
        data: The settings, None for none.
        damaged: Takes the reason for each that is left out, but for names that aren't known: a
            later version may know them.
    """
    if data is None:
        return {}
    try:
        entries = read_json(data)
        if not isinstance(entries, dict):
            raise ValueError("the settings are no object")
    except ValueError as error:
        damaged(str(error))
        return {}
    settings: dict[str, Any] = {}
    for name, value in entries.items():
        try:
            settings.update(check_settings({name: value}))
        except ConfigurationError as error:
            if name == "mode" or name in CHANGEABLE:
                damaged(str(error))
    return settings


def write_settings(settings: Mapping[str, Any]) -> bytes:
    """Encode settings for the store: equal settings as equal bytes."""
    return json.dumps(dict(settings), sort_keys=True).encode()


def check_settings(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Check changes of settings, and convert their values.

    Raises:
        ConfigurationError: A setting isn't known or its value isn't allowed; names it.
    """
    return {name: _check_setting(name, value) for name, value in changes.items()}


def apply_settings(options: Options, settings: Mapping[str, Any]) -> Options:
    """Replace options by checked settings."""
    return attrs.evolve(options, **settings)


def _check_setting(name: str, value: object) -> Any:
    if name == "mode":
        if value not in get_args(Mode):
            raise ConfigurationError(f"mode is {value!r}: give one of {', '.join(get_args(Mode))}")
        return value
    if name not in CHANGEABLE:
        raise ConfigurationError(
            f"{name!r} can't be changed at run time: only mode, {', '.join(CHANGEABLE)} can"
        )
    checked = check_option(name, value)
    if checked is None:
        raise ConfigurationError(
            f"{name} is {value!r}, which is not allowed at run time: give a number; only the "
            "configuration switches it off"
        )
    return checked
