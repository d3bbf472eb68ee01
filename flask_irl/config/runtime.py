"""Settings that an operator changes at run time: kept in the store, over what the options say."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final, get_args

from flask_irl.config.options import Options, check_option
from flask_irl.errors import ConfigurationError
from flask_irl.limits.plan import Mode

CHANGEABLE: Final = (
    *("base_limit", "window_seconds"),
    *("anomalous_factor", "further_factors", "anomaly_threshold"),
)


def read_settings(data: bytes | None) -> dict[str, Any]:
    """The settings as they were stored; what isn't readable or allowed any more is left out."""
    if data is None:
        return {}
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    kept: dict[str, Any] = {}
    for name, value in found.items():
        try:
            kept.update(checked({name: value}))
        except ConfigurationError:
            continue
    return kept


def write_settings(settings: Mapping[str, Any]) -> bytes:
    """The settings as they are stored."""
    return json.dumps(dict(settings), sort_keys=True).encode()


def checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of settings, validated.

    Raises:
        ConfigurationError: A setting isn't known or its value isn't allowed; names it.
    """
    result: dict[str, Any] = {}
    for name, value in changes.items():
        if name == "mode":
            if value not in get_args(Mode):
                raise ConfigurationError(
                    f"mode is {value!r}: give one of {', '.join(get_args(Mode))}"
                )
            result[name] = value
        elif name in CHANGEABLE:
            result[name] = check_option(name, value)
        else:
            raise ConfigurationError(
                f"{name!r} can't be changed at run time: only mode, {', '.join(CHANGEABLE)} can"
            )
    return result


def applied(options: Options, settings: Mapping[str, Any]) -> Options:
    """The options with the settings over them."""
    return dataclasses.replace(options, **settings)
