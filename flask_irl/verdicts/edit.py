"""Edit the profiles of clients on an operator's word, while others may save them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from flask_irl.behaviour import profile
from flask_irl.errors import StoreError
from flask_irl.stores.base import Store
from flask_irl.stores.state import ClientState, Update

MAX_TRIES: Final = 5
"""Attempts to edit a profile that others save all the time."""
Edit = Callable[[ClientState, profile.Records], int]
"""Changes a client's profile, given alone with its state, and gives its step from now on."""


def edit_profiles(store: Store, clients: Sequence[str], edit: Edit, ttl_seconds: int) -> list[str]:
    """Edit the profiles and steps of clients, all at once; lists those that are known.

    Args:
        store: Holds them.
        clients: The clients' keys.
        edit: The change; may be made several times.
        ttl_seconds: Least time for which the clients are kept.

    Raises:
        StoreError: The store failed, or others save a profile all the time; some may be edited.
    """
    edited, pending = list[str](), list(clients)
    for _ in range(MAX_TRIES):
        if not pending:
            return edited
        pairs = zip(pending, store.load(pending), strict=True)
        states = {client: state for client, state in pairs if state is not None}
        records = profile.decode([state.profile for state in states.values()])
        steps = [
            edit(state, records[place : place + 1]) for place, state in enumerate(states.values())
        ]
        parts = zip(states.items(), steps, profile.encode(records), strict=True)
        updates = [
            Update(client, state.revision, step, state.score, blob)
            for (client, state), step, blob in parts
        ]
        results = dict(zip(states, store.save(updates, ttl_seconds), strict=True))
        edited += [client for client, result in results.items() if result == "saved"]
        pending = [client for client, result in results.items() if result == "stale"]
    if pending:
        raise StoreError(
            f"the profile of {pending[0]} is being saved by other workers all the time"
        )
    return edited
