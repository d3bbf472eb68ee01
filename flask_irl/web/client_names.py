"""Turn the names that an app gives clients into keys, none of which is that of another client."""

from __future__ import annotations

import functools
from typing import Final

from flask_irl.api_keys.text import id_of
from flask_irl.limits.keys import MAX_KEY_CHARACTERS, canonical, hashed, is_hashed

REMEMBERED: Final = 4096


def key_named(name: str) -> str:
    """Give the key of the client that an app's function has named, such as its key function.

    That is the name's canonical key. A name that would be an API key's client, ``key:`` and ten
    letters or digits, or the hash of another name, ``#`` and 32 hex digits, is hashed: the function
    may name clients by what a stranger sends.

    Args:
        name: Any text.
    """
    # Long ones aren't remembered: they would take much memory.
    return _short(name) if len(name) <= MAX_KEY_CHARACTERS else hashed(name)


@functools.lru_cache(maxsize=REMEMBERED)
def _short(name: str) -> str:
    return hashed(name) if id_of(name) or is_hashed(name) else canonical(name)
