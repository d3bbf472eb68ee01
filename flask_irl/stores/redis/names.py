"""Name the Redis keys of API keys."""

from __future__ import annotations


def api_key_name(prefix: str, client: str) -> bytes:
    """Name the record of an API key, in the slot of its client's state."""
    return f"{prefix}1.{{{client}}}.api-key".encode()
