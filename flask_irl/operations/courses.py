"""Show the course of one client over the last day: its traffic, its scores, flag and relief."""

from __future__ import annotations

from typing import TypedDict

from flask_irl.behaviour.courses import SLOT_SECONDS, SLOTS_KEPT, Slot, slot_of, unpack
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.keys import canonical


class CourseSlot(TypedDict):
    """Describe what a client did in a slot in which it sent something.

    Members:
        since: The slot's beginning, in seconds since the epoch.
        requests: Requests, refused ones included.
        busiest_minute: Requests of the minute with most of them.
        refused: Refused requests.
        lowest_score: The lowest score, 0 to -1.
        step: The highest step on the ladder, 0 for the full limit.
    """

    since: float
    requests: int
    busiest_minute: int
    refused: int
    lowest_score: float
    step: int


class StepChange(TypedDict):
    """Describe a moment at which a client was ``flagged`` or ``relieved``."""

    at: float
    change: str


class ClientCourse(TypedDict):
    """Describe the course of a client over the last day.

    Members:
        client: The client's key.
        kept: Whether a course of it is kept at all.
        slot_seconds: Length of a slot.
        since: Beginning of the first slot that is kept of anybody, in seconds since the epoch.
        until: The present.
        threshold: The threshold in force.
        slots: The slots, the earliest first; those without a request are left out.
        changes: Flags and reliefs, the earliest first; of several of a kind in a slot, one.
    """

    client: str
    kept: bool
    slot_seconds: int
    since: float
    until: float
    threshold: float
    slots: list[CourseSlot]
    changes: list[StepChange]


def read_course(limiter: Limiter, client: str) -> ClientCourse:
    """Read the course of a client, kept or not.

    Args:
        limiter: The limiter.
        client: The client's key.

    Raises:
        StoreError: The store failed.
    """
    key, now = canonical(client), limiter.store.now()
    last = slot_of(now)
    first = last - SLOTS_KEPT + 1
    kept = unpack(limiter.store.courses([key])[0])
    # Later ones are of a clock that was set back, or made up by somebody.
    slots = [slot for slot in kept if first <= slot.number <= last]
    return {
        "client": key,
        "kept": bool(slots),
        "slot_seconds": SLOT_SECONDS,
        "since": float(first * SLOT_SECONDS),
        "until": now,
        "threshold": limiter.options.anomaly_threshold,
        "slots": [_described(slot) for slot in slots],
        "changes": _changes(slots),
    }


def _described(slot: Slot) -> CourseSlot:
    return {
        "since": slot.begins_at,
        "requests": sum(slot.minutes),
        "busiest_minute": max(slot.minutes),
        "refused": slot.refused,
        "lowest_score": slot.lowest,
        "step": slot.step,
    }


def _changes(slots: list[Slot]) -> list[StepChange]:
    found: list[StepChange] = []
    for slot in slots:
        if slot.flagged_at is not None:
            found.append({"at": slot.flagged_at, "change": "flagged"})
        if slot.relieved_at is not None:
            found.append({"at": slot.relieved_at, "change": "relieved"})
    return sorted(found, key=lambda change: change["at"])
