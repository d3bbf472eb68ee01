"""Edit the profile of a client on an operator's word, while others may save it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask_irl.behaviour import profile
from flask_irl.errors import StoreError
from flask_irl.stores.base import Store
from flask_irl.stores.state import ClientState, Update

MAX_TRIES: Final = 5
"""Attempts to edit a profile that others save all the time."""
Edit = Callable[[ClientState, profile.Records], int]
"""Changes a client's profile, given with its state, and gives its step from now on."""


def edit_profile(store: Store, client: str, edit: Edit, ttl_seconds: int) -> bool:
    """Edit a client's profile and step; False if the client is unknown.

    Args:
        store: Holds it.
        client: The client's key.
        edit: The change; may be made several times.
        ttl_seconds: Least time for which the client is kept.

    Raises:
        StoreError: The store failed, or others save the profile all the time.
    """
    for _ in range(MAX_TRIES):
        state = store.load([client])[0]
        if state is None:
            return False
        records = profile.decode([state.profile])
        step = edit(state, records)
        [blob] = profile.encode(records)
        [result] = store.save(
            [Update(client, state.revision, step, state.score, blob)], ttl_seconds
        )
        if result != "stale":
            return result == "saved"
    raise StoreError(f"the profile of {client} is being saved by other workers all the time")
