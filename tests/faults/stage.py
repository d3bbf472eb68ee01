"""Describe a store that is about to break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.redis_server import RedisServer

COUNTED: Final = "192.0.2.1"
"""The client whose slot moves, and whose server is the one that a fault is about."""
FILLERS: Final = 4_000
"""Keys of others that fill a server's memory."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold a store that is about to break.

    Args:
        uri: The storage URI.
        fault: Breaks it; may be called while requests come.
        mend: Mends it.
        options: Further options of the limiter.
        known_by: The storage URI of a worker that knew the store before; empty where it is the one
            that is watched.
    """

    uri: str
    fault: Callable[[], object]
    mend: Callable[[], object]
    options: Mapping[str, Any] = field(default_factory=dict)
    known_by: str = ""


def run(server: RedisServer, *words: object) -> Any:
    """Run a command on a server."""
    with server.client() as client:
        return client.execute_command(*words)
