"""Name the Redis keys beside a client's state, in its slot."""

from __future__ import annotations


def api_key_name(prefix: str, client: str) -> bytes:
    """Name the record of an API key, in the slot of its client's state."""
    return f"{prefix}1.{{{client}}}.api-key".encode()


def recent_name(prefix: str, client: str) -> bytes:
    """Name the recent requests of a client, in the slot of its state."""
    return f"{prefix}1.{{{client}}}.recent".encode()
