"""Resolve the options of an app from their sources: arguments, config, environment, defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from flask_irl.config.options import OPTIONS, Options, check_option
from flask_irl.errors import ConfigurationError

CONFIG_PREFIX: Final = "IRL_"


def resolve(
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
) -> Options:
    """Take each option from its first source: argument, app config, environment, default.

    Args:
        arguments: Options given to ``IntelligentLimiter``; None counts as not given.
        config: The app's config; keys are ``IRL_`` and the option's name in capitals.
        environment: ``os.environ`` by default.

    Raises:
        ConfigurationError: A value is not allowed, or an option is not known; the message names
            the key, the value and which ones are allowed.
    """
    environment = os.environ if environment is None else environment
    _refuse_unknown_arguments(arguments)
    _refuse_unknown_config(config)
    values: dict[str, Any] = {}
    for name, spec in OPTIONS.items():
        if arguments.get(name) is not None:
            values[name] = check_option(name, arguments[name])
        elif config.get(spec.config_key) is not None:
            values[name] = check_option(name, config[spec.config_key], spec.config_key)
        elif spec.variable is not None and environment.get(spec.variable):
            values[name] = check_option(name, environment[spec.variable], spec.variable)
    return Options(**values)


def _refuse_unknown_arguments(arguments: Mapping[str, Any]) -> None:
    for name in sorted(arguments.keys() - OPTIONS.keys()):
        raise ConfigurationError(f"option {name!r} is not known; there are: {', '.join(OPTIONS)}")


def _refuse_unknown_config(config: Mapping[str, Any]) -> None:
    keys = {spec.config_key for spec in OPTIONS.values()}
    for key in config:
        if key.startswith(CONFIG_PREFIX) and key not in keys:
            raise ConfigurationError(
                f"config key {key!r} is not known; there are: {', '.join(sorted(keys))}"
            )
