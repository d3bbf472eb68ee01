"""Keep settings that an operator changes at run time: in the store, over the options."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from flask_irl.config.options import Options, check_option
from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Mode
from flask_irl.stored import Damaged, ignore, read_json

CHANGEABLE: Final = (
    *("base_limit", "window_seconds"),
    *("anomalous_factor", "further_factors", "anomaly_threshold"),
)
"""Options that can be changed at run time, beside the mode and the plans."""
PLANS: Final = ("plans", "default_plan")
"""Options about rate plans; stored plans are put over those of the configuration, by name."""


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
            if name == "mode" or name in CHANGEABLE or name in PLANS:
                damaged(str(error))
    return settings


def unknown_settings(data: bytes | None) -> dict[str, Any]:
    """Decode those stored settings that only a newer version knows."""
    try:
        entries = {} if data is None else read_json(data)
    except ValueError:
        return {}
    known = {"mode", *CHANGEABLE, *PLANS}
    return {k: v for k, v in entries.items() if k not in known} if isinstance(entries, dict) else {}


def write_settings(settings: Mapping[str, Any]) -> bytes:
    """Encode settings for the store: equal settings as equal bytes."""
    return json.dumps(plain_settings(settings), sort_keys=True).encode()


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write limits in settings as texts, for the store and the log."""
    entries = dict(settings)
    if "plans" in entries:
        plans: Mapping[str, Sequence[Limit]] = entries["plans"]
        entries["plans"] = {name: [str(x) for x in limits] for name, limits in plans.items()}
    return entries


def check_settings(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Check changes of settings, and convert their values.

    Raises:
        ConfigurationError: A setting isn't known or its value isn't allowed; names it.
    """
    return {name: _check_setting(name, value) for name, value in changes.items()}


def apply_settings(options: Options, settings: Mapping[str, Any]) -> Options:
    """Replace options by checked settings."""
    settings = dict(settings)
    if "plans" in settings:
        settings["plans"] = {**options.plans, **settings["plans"]}
    return dataclasses.replace(options, **settings)


def _check_setting(name: str, value: object) -> Any:
    if name == "mode":
        if value not in get_args(Mode):
            raise ConfigurationError(f"mode is {value!r}: give one of {', '.join(get_args(Mode))}")
        return value
    if name not in CHANGEABLE and name not in PLANS:
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
