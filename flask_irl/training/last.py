"""Keep the result of the latest training in the store, for all processes that ask."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from flask_irl.errors import StoreError
from flask_irl.stored import Damaged, ignore, is_number, read_json
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import Notify, StoreFailed
from flask_irl.telemetry.log import event

NOTE: Final = "training"
NUMBERS: Final = ("at", "seconds", "version", "rows", "clients", "requests")
TEXTS: Final = ("result", "reason")


def write_last(store: Store, notify: Notify, training: Mapping[str, Any]) -> None:
    """Write the result of a training; a store that fails is reported, and no more.

    Args:
        store: Keeps it.
        notify: Takes the event of a failure.
        training: Its members, those of :data:`NUMBERS` and :data:`TEXTS`; an ``at`` of 0 becomes
            the time of now.
    """
    try:
        at = training["at"] or store.now()
        store.put_note(NOTE, json.dumps({**training, "at": at}).encode())
    except StoreError as error:
        notify(StoreFailed(error.kind))
        event(logging.WARNING, "training_not_noted", kind=error.kind, error=error)


def read_last(store: Store, damaged: Damaged = ignore) -> dict[str, Any] | None:
    """Read the result of the latest training; None if there is none, or none that can be read.

    Args:
        store: Keeps it.
        damaged: Takes the reason why it can't be read.

    Raises:
        StoreError: The store failed.
    """
    note = store.note(NOTE)
    if note is None:
        return None
    try:
        found = read_json(note)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except ValueError as error:
        damaged(f"the result of the latest training can't be read: {error}")
        return None
    numbers = {name: found.get(name) for name in NUMBERS}
    texts = {name: found.get(name) for name in TEXTS}
    right = all(map(is_number, numbers.values()))
    right = right and all(isinstance(text, str) for text in texts.values())
    if not right:
        damaged("the result of the latest training has members of another type")
        return None
    return {**texts, **numbers}
