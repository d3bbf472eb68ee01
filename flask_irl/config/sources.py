"""Resolve the options of an app from their sources: arguments, config, environment, defaults."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from flask_irl.config.options import OPTIONS, Options, Spec, check_option
from flask_irl.errors import ConfigurationError

PREFIX: Final = "IRL_"
"""Begins the keys of all options in an app's config, and their environment variables."""
OBJECTS: Final = ("key_func", "label_of", "plan_of", "listener", "authorize", "tenant_of")
"""Names of the arguments of ``IntelligentLimiter`` that no config or environment can give."""
CONFIG_KEYS: Final = frozenset(spec.config_key for spec in OPTIONS.values())


def resolve(
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
) -> Options:
    """Take each option from its first source: argument, app config, environment, default.

    Args:
        arguments: Options given to ``IntelligentLimiter``. None counts as not given, but switches
            off what can be switched off, such as ``base_limit``.
        config: The app's config; keys are ``IRL_`` and the option's name in capitals. None counts
            as not given.
        environment: Variables of the same names as the config's keys, and some of other names,
            which count only without those; an empty one counts as not given. ``os.environ`` by
            default.

    Raises:
        ConfigurationError: A value is not allowed, or an option is not known; the message names
            the key, the value and which ones are allowed.
    """
    environment = os.environ if environment is None else environment
    _refuse_unknown_arguments(arguments)
    for key in unknown_keys(config):
        raise ConfigurationError(f"config key {_unknown(key, sorted(CONFIG_KEYS))}")
    values: dict[str, Any] = {}
    for name, spec in OPTIONS.items():
        given = source_of(name, spec, arguments, config, environment)
        if given is not None:
            source, value = given
            values[name] = check_option(name, value, source)
    return Options(**values)


def source_of(
    name: str,
    spec: Spec,
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, str],
) -> tuple[str, Any] | None:
    """Find the first source that gives an option: its name there, and the value; else None."""
    if arguments.get(name) is not None or (spec.may_be_off and name in arguments):
        return name, arguments[name]
    if config.get(spec.config_key) is not None:
        return spec.config_key, config[spec.config_key]
    variable = next((x for x in spec.variables if environment.get(x)), None)
    return None if variable is None else (variable, environment[variable])


def unknown_keys(config: Mapping[str, Any]) -> list[str]:
    """List the keys of an app's config that begin as options' keys do, and are none."""
    # A config may hold keys of any type.
    texts = (key for key in config if isinstance(key, str))
    return [key for key in texts if key.startswith(PREFIX) and key not in CONFIG_KEYS]


def nearest(name: str, known: Iterable[str]) -> str:
    """Find the known name that is most like a name; empty if none is near."""
    from difflib import get_close_matches

    # Without the prefix, which makes all of them alike.
    bare = {each.removeprefix(PREFIX): each for each in known}
    found = get_close_matches(name.removeprefix(PREFIX), bare, n=1)
    return bare[found[0]] if found else ""


def _refuse_unknown_arguments(arguments: Mapping[str, Any]) -> None:
    for name in sorted(arguments.keys() - OPTIONS.keys()):
        raise ConfigurationError(f"option {_unknown(name, (*OPTIONS, *OBJECTS))}")


def _unknown(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    meant = f" (did you mean {near}?)" if near else ""
    return f"{name!r} is not known{meant}; there are: {', '.join(known)}"
