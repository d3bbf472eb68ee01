"""Describe webhooks that are under way, and keep them as JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from flask_irl.stored import is_number, read_json

MOST_WAITING: Final = 100
"""Deliveries that wait; beyond it the oldest go."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Describe a webhook that is under way to one receiver.

    Args:
        id: The event's id, the same for all receivers and tries.
        event: Its name.
        body: The body, JSON.
        receiver: Place of the receiver among the URLs.
        tries: Tries so far.
        due: Time of the next try, in seconds since the epoch.
    """

    id: str
    event: str
    body: str
    receiver: int
    tries: int = 0
    due: float = 0.0


def encode(deliveries: list[Delivery]) -> bytes:
    """Encode the deliveries under way."""
    return json.dumps([asdict(delivery) for delivery in deliveries]).encode()


def decode(data: bytes | None) -> list[Delivery]:
    """Decode the deliveries under way; damaged ones are left out."""
    found: list[Delivery] = []
    with suppress(ValueError, TypeError):
        for members in read_json(data or b"[]")[:MOST_WAITING]:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                found.append(_delivery(members))
    return found


def _delivery(members: Any) -> Delivery:
    figures = [members[name] for name in ("receiver", "tries", "due")]
    if not all(is_number(figure) and figure >= 0 for figure in figures):
        raise ValueError("a figure is none")
    name, title, body = (str(members[name]) for name in ("id", "event", "body"))
    receiver, tries, due = figures
    return Delivery(name, title, body, int(receiver), int(tries), float(due))
