"""Decode the values of a table that all workers share: those alone that have changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from flask_irl.errors import ConfigurationError

T = TypeVar("T")


def decode_changed(
    stored: Mapping[str, bytes],
    before: Mapping[str, bytes],
    known: Mapping[str, T],
    decode: Callable[[str, bytes], T],
    damaged: Callable[[str, ConfigurationError], object],
) -> dict[str, T]:
    """Decode a table; damaged values are left out.

    Args:
        stored: The table as it was just read.
        before: As it was read before.
        known: The values of then.
        decode: Decodes a value, by its name; raises ``ConfigurationError`` for a damaged one.
        damaged: Takes the name of each damaged value, with that error.
    """
    found: dict[str, T] = {}
    for name, data in stored.items():
        value = known.get(name)
        if value is not None and before.get(name) == data:
            found[name] = value
            continue
        try:
            found[name] = decode(name, data)
        except ConfigurationError as error:
            damaged(name, error)
    return found
