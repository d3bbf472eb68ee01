"""Change the settings made at run time, while others may do the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask_irl.config.runtime import read_settings, unknown_settings, write_settings
from flask_irl.errors import StoreError
from flask_irl.limiter.limiter import Limiter

MAX_TRIES: Final = 5
Settings = dict[str, Any]
Change = Callable[[Settings], Settings]


def change_settings(limiter: Limiter, change: Change) -> None:
    """Change the settings in this worker at once, and in all others within two seconds.

    Settings that only a newer version knows stay as they are.

    Args:
        limiter: The limiter.
        change: Makes the new settings of the present ones; may be called more than once.

    Raises:
        StoreError: The store failed, or others change the settings all the time.
    """
    store = limiter.store
    for _ in range(MAX_TRIES):
        revision, stored = store.settings()
        settings = {**unknown_settings(stored), **change(read_settings(stored))}
        if store.put_settings(revision, write_settings(settings)):
            store.advance_epoch()
            limiter.refresh()
            return
    raise StoreError("somebody else is changing the settings: try again", kind="response")
