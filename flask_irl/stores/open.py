"""Open the store that the options name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask_irl.config.options import Options
from flask_irl.errors import ConfigurationError
from flask_irl.stores.base import Store
from flask_irl.stores.memory.store import MemoryStore

MEMORY: Final = "memory://"


def open_store(options: Options, clock: Callable[[], float] | None = None) -> Store:
    """Make the store that the options name; it connects when it is first used.

    Args:
        options: All options.
        clock: Seconds since the epoch; None for the store's own clock.

    Raises:
        ConfigurationError: ``storage_uri`` or ``storage_options`` is wrong.
    """
    if options.storage_uri != MEMORY:
        # redis-py takes a while to load.
        from flask_irl.stores.location import locate
        from flask_irl.stores.redis.store import RedisStore

        location = locate(options.storage_uri)
        if location.kind != "memory":
            return RedisStore(
                location,
                prefix=options.key_prefix,
                timeout=options.store_timeout,
                options=options.storage_options,
                clock=clock,
            )
    max_clients = options.storage_options.get("max_clients", 100_000)
    unknown = set(options.storage_options) - {"max_clients"}
    if unknown:
        raise ConfigurationError(
            f"storage_options of memory:// has {sorted(unknown)[0]!r}: only max_clients is allowed"
        )
    if isinstance(max_clients, bool) or not isinstance(max_clients, int) or max_clients < 1:
        raise ConfigurationError(
            f"storage_options: max_clients is {max_clients!r}: give a whole number, 1 or more"
        )
    return (
        MemoryStore(max_clients=max_clients)
        if clock is None
        else MemoryStore(max_clients=max_clients, clock=clock)
    )
