"""Read the options of an app's tenants: those in which each differs from the app."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from flask_irl.config.options import OPTIONS, Options, check_default_plan, check_option
from flask_irl.errors import ConfigurationError

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names of tenants: safe in Redis keys, metrics, paths and terminals."""
ALLOWED_NAMES: Final = "1 to 64 letters, digits, _ and - of ASCII"
DEFAULT: Final = "default"
"""Name of the tenant of all requests that are of no other."""
OTHER: Final = "other"
"""Name of the tenant that those share which came when there were ``max_tenants``."""
RESERVED: Final = frozenset({DEFAULT, OTHER})
MARK: Final = ".t."
"""Stands between the app's key prefix and a tenant's name: no key of the app's has it there."""
PER_TENANT: Final = (
    *("base_limit", "window_seconds", "burst", "strategy", "plans", "default_plan"),
    *("default_limits", "application_limits", "meta_limits", "limits", "exempt", "mode"),
    *("anomaly_threshold", "anomalous_factor", "further_factors", "detector"),
    *("learning_minutes", "login_failures", "unknown_paths", "campaigns", "false_flag_rate"),
    *("min_clients", "rows_capacity", "shared_model", "allow", "deny", "admin_tokens"),
)
"""Options in which a tenant may differ from its app."""


def is_name(name: object) -> bool:
    """Tell whether a tenant may be called so."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None


def check_name(where: str, name: object) -> str:
    """Check the name of a tenant that is to be declared.

    Raises:
        ConfigurationError: No tenant may be called so.
    """
    if not is_name(name) or name in RESERVED:
        raise ConfigurationError(
            f"{where}: the tenant's name {name!r:.100} is not allowed: give {ALLOWED_NAMES}, and "
            f"neither {DEFAULT} nor {OTHER}, which are the limiter's own"
        )
    return str(name)


def tenant_options(options: Options) -> dict[str, Options]:
    """Give the whole options of each declared tenant.

    Raises:
        ConfigurationError: A name or an option of a tenant is not allowed; the message names the
            tenant, the option, the value and what is allowed.
    """
    return {
        check_name("tenants", name): _options_of(options, str(name), given)
        for name, given in options.tenants.items()
    }


def undeclared(options: Options, name: str) -> Options:
    """Give the options of a tenant that isn't declared: the app's, but for its keys and tokens."""
    return _within(options, name, {})


def prefix_of(options: Options, name: str) -> str:
    """Give the prefix of a tenant's keys in the store."""
    return f"{options.key_prefix}{MARK}{name}."


def _options_of(options: Options, name: str, given: object) -> Options:
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"tenants: {name!r} is not given a mapping of its options, such as "
            '{"base_limit": 600}, or {} for those of the app'
        )
    allowed = [option for option in PER_TENANT if option in OPTIONS]
    checked: dict[str, Any] = {}
    for option, value in given.items():
        if option not in allowed:
            raise ConfigurationError(
                f"tenants: {name!r} has {option!r:.100}, in which tenants can't differ from the "
                f"app; there are: {', '.join(allowed)}"
            )
        if value is not None or OPTIONS[option].may_be_off:
            checked[option] = check_option(option, value, f"tenants: {name}: {option}")
    if "plans" in given and "default_plan" not in given:
        # The app's default needn't be one of the tenant's plans.
        own = options.default_plan in checked.get("plans", {})
        checked["default_plan"] = options.default_plan if own else None
    elif "default_plan" in given and given["default_plan"] is None:
        checked["default_plan"] = None
    found = _within(options, name, checked)
    try:
        check_default_plan(found)
    except ConfigurationError as error:
        raise ConfigurationError(f"tenants: {name}: {error}") from None
    return found


def _within(options: Options, name: str, changes: Mapping[str, Any]) -> Options:
    """Give a tenant's options; its tokens are its own, never the app's."""
    own = {"admin_tokens": {}, **changes}
    return dataclasses.replace(
        options,
        **own,
        admin_token=None,
        tenants={},
        # The app's tell of its tenants, too.
        webhooks=(),
        # One open file serves them all.
        country_file=None,
        asn_file=None,
        key_prefix=prefix_of(options, name),
    )


def names_of(declared: Iterable[str]) -> str:
    """List names of tenants for a message."""
    return ", ".join(sorted(declared)) or "none"
