"""Describe the server behind a store."""

from __future__ import annotations

from typing import NamedTuple


class ServerInfo(NamedTuple):
    """Describe the server behind a store, as far as it may be asked.

    Attributes:
        version: Its name and version.
        memory_used: Bytes.
        memory_limit: Bytes; None for no limit, too.
        policy: Its policy for a full memory.
        silent: Nodes of a cluster that gave no answer.
    """

    version: str | None = None
    memory_used: int | None = None
    memory_limit: int | None = None
    policy: str | None = None
    silent: tuple[str, ...] = ()
