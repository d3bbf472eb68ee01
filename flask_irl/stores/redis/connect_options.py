"""Sort redis-py's options into those that mean something to this store, and all others.

A URI or a mapping that was written for redis-py's own clients, or for another extension, is taken
as it is: options of pools, time-outs and retries of theirs are named, and left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from flask_irl.errors import ConfigurationError
from flask_irl.stores.location import Kind

TIMEOUTS: Final = ("socket_timeout", "socket_connect_timeout", "timeout")
"""Seconds, above 0, or None: ``store_timeout`` is the one time-out here."""
COUNTS: Final[Mapping[str, tuple[int, int]]] = {
    "max_connections": (0, 2**31 - 1),
    "health_check_interval": (0, 2**31 - 1),
    "protocol": (2, 3),
}
"""Whole numbers, from the first to the last, or None."""
OTHERS: Final = frozenset(
    {
        "cache",
        "cache_config",
        "decode_responses",
        "driver_info",
        "legacy_responses",
        "lib_name",
        "lib_version",
        "retry",
        "retry_on_error",
        "retry_on_timeout",
        "single_connection_client",
    }
)
UNUSED: Final = OTHERS | {*TIMEOUTS, *COUNTS}
"""Options of redis-py's clients and pools without a meaning here."""
UNUSED_BY_KIND: Final[Mapping[Kind, frozenset[str]]] = {
    "cluster": frozenset(
        {
            "address_remap",
            "cluster_error_retry_attempts",
            "dynamic_startup_nodes",
            "load_balancing_strategy",
            "policy_resolver",
            "read_from_replicas",
            "reinitialize_steps",
            "require_full_coverage",
        }
    ),
    "sentinel": frozenset(
        {"check_connection", "force_master_ip", "is_master", "min_other_sentinels"}
    ),
}
"""Those of redis-py's clients for a cluster, and for a master watched by Sentinel."""
SENTINEL: Final = "sentinel_kwargs"


class Sorted(NamedTuple):
    """Hold options by their use.

    Attributes:
        used: Keyword arguments of redis-py's connection class; ``sentinel_kwargs`` may be one.
        unused: Names of the others, in order; those for Sentinels with ``sentinel_kwargs.`` before.
    """

    used: dict[str, Any]
    unused: list[str]


def sort_options(given: Mapping[str, Any], kind: Kind) -> Sorted:
    """Sort options by their use.

    Args:
        given: Options by name, those of the URI and those given as a mapping.
        kind: Kind of the store.

    Raises:
        ConfigurationError: A value isn't allowed; the connection class looks at those it uses.
    """
    unused = UNUSED | UNUSED_BY_KIND.get(kind, frozenset())
    for name in TIMEOUTS:
        _check_timeout(name, given.get(name))
    for name, bounds in COUNTS.items():
        _check_count(name, given.get(name), bounds)
    used = {name: value for name, value in given.items() if name not in unused}
    names = sorted(given.keys() & unused)
    own = used.get(SENTINEL)
    if own is not None:
        if not isinstance(own, Mapping):
            raise ConfigurationError(
                f"storage_options: sentinel_kwargs is of type {type(own).__name__}: give a mapping"
            )
        used[SENTINEL], of_sentinels = sort_options(own, kind)
        names += [f"{SENTINEL}.{name}" for name in of_sentinels]
    return Sorted(used, names)


def _check_timeout(name: str, value: object) -> None:
    if value is None:
        return
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 < number < math.inf:
        raise _wrong(name, value, "a number of seconds above 0")


def _check_count(name: str, value: object, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(name, value, f"a whole number from {low} to {high}")


def _wrong(name: str, value: object, allowed: str) -> ConfigurationError:
    return ConfigurationError(
        f"storage_options, or the options in storage_uri: {name} is {value!r}: give {allowed}"
    )
