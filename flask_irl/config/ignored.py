"""Find settings that nobody reads: misspelt variables, keys of Flask-Limiter, changes too late."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from flask_irl.config.options import OPTIONS, Options, check_option
from flask_irl.config.sources import CONFIG_KEYS, PREFIX, nearest, source_of, unknown_keys
from flask_irl.errors import ConfigurationError

FLASK_LIMITER: Final[Mapping[str, str]] = {
    "RATELIMIT_ENABLED": "IRL_ENABLED",
    "RATELIMIT_KEY_FUNC": "the argument key_func",
    "RATELIMIT_KEY_PREFIX": "IRL_KEY_PREFIX",
    "RATELIMIT_FAIL_ON_FIRST_BREACH": "",
    "RATELIMIT_ON_BREACH_CALLBACK": "the argument on_breach",
    "RATELIMIT_SWALLOW_ERRORS": "IRL_ON_STORE_ERROR",
    "RATELIMIT_APPLICATION": "IRL_APPLICATION_LIMITS",
    "RATELIMIT_APPLICATION_PER_METHOD": "the argument application_limits_per_method",
    "RATELIMIT_APPLICATION_EXEMPT_WHEN": "the argument application_limits_exempt_when",
    "RATELIMIT_APPLICATION_DEDUCT_WHEN": "the argument application_limits_deduct_when",
    "RATELIMIT_APPLICATION_COST": "the argument application_limits_cost",
    "RATELIMIT_DEFAULT": "IRL_DEFAULT_LIMITS",
    "RATELIMIT_DEFAULTS_PER_METHOD": "the argument default_limits_per_method",
    "RATELIMIT_DEFAULTS_EXEMPT_WHEN": "the argument default_limits_exempt_when",
    "RATELIMIT_DEFAULTS_DEDUCT_WHEN": "the argument default_limits_deduct_when",
    "RATELIMIT_DEFAULTS_COST": "the argument default_limits_cost",
    "RATELIMIT_REQUEST_IDENTIFIER": "",
    "RATELIMIT_STRATEGY": "IRL_STRATEGY",
    "RATELIMIT_STORAGE_URI": "IRL_STORAGE_URI",
    "RATELIMIT_STORAGE_OPTIONS": "IRL_STORAGE_OPTIONS",
    "RATELIMIT_HEADERS_ENABLED": "IRL_HEADERS_ENABLED",
    "RATELIMIT_HEADER_LIMIT": "",
    "RATELIMIT_HEADER_REMAINING": "",
    "RATELIMIT_HEADER_RESET": "",
    "RATELIMIT_HEADER_RETRY_AFTER": "",
    "RATELIMIT_HEADER_RETRY_AFTER_VALUE": "",
    "RATELIMIT_IN_MEMORY_FALLBACK": "IRL_ON_STORE_ERROR",
    "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": "IRL_ON_STORE_ERROR",
    "RATELIMIT_META": "IRL_META_LIMITS",
    "RATELIMIT_ON_META_BREACH_CALLBACK": "the argument on_meta_breach",
    # Of its versions before 2 and 3.
    "RATELIMIT_GLOBAL": "IRL_BASE_LIMIT with IRL_WINDOW_SECONDS",
    "RATELIMIT_STORAGE_URL": "IRL_STORAGE_URI",
}
"""Keys of Flask-Limiter in an app's config, each with its counterpart here; ``""`` for none."""


def unknown_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """List the environment variables that begin as options' do and are none's.

    Args:
        environment: ``os.environ`` by default.

    Returns:
        For each name the known one nearest to it, ``""`` where none is near.
    """
    environment = os.environ if environment is None else environment
    names = [x for x in environment if x.startswith(PREFIX) and x not in CONFIG_KEYS]
    return {name: nearest(name, sorted(CONFIG_KEYS)) for name in sorted(names)}


def flask_limiter_keys(config: Mapping[str, Any]) -> dict[str, str]:
    """List the keys of Flask-Limiter in an app's config, each with its counterpart here."""
    return {key: FLASK_LIMITER[key] for key in config if key in FLASK_LIMITER}


def late_changes(
    options: Options,
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """List the names under which sources now give other values than those of the options.

    Args:
        options: The options, made of these sources as they were.
        arguments: As of :func:`~flask_irl.config.sources.resolve`, like the others.
        config: The app's config.
        environment: ``os.environ`` by default.
    """
    environment = os.environ if environment is None else environment
    defaults = Options()
    changed = []
    for name, spec in OPTIONS.items():
        given = source_of(name, spec, arguments, config, environment)
        source, value = given or (spec.config_key, getattr(defaults, name))
        try:
            same = check_option(name, value, source) == getattr(options, name)
        except ConfigurationError:
            same = False
        if not same:
            changed.append(source)
    return [*changed, *unknown_keys(config)]
