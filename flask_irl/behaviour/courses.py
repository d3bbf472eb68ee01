"""Lay out the course of a client: its traffic and its scores in each slot of the last day. Pure.

A slot is five minutes, by the clock. A course holds the slots in which the client sent something,
packed one after the other, so that those of two thousand clients take a few MiB. Courses of clients
on single routes are of the same form, and are kept apart from those.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

SLOT_SECONDS: Final = 300
MINUTE: Final = 60
MINUTES: Final = SLOT_SECONDS // MINUTE
"""Minutes of a slot."""
SLOTS_KEPT: Final = 288
"""Slots of a day, and of a course at most."""
CLIENTS_KEPT: Final = 2000
"""Clients whose courses are kept: those that ranked highest of late."""
ALL_SLOTS_KEPT: Final = 200_000
"""Slots of all courses together, beyond which those of the lowest clients go."""
ROUTES_KEPT: Final = 30
"""Routes, each of one method, on which a worker tells of clients: those with limits of their own
first, then those of most requests."""
ROUTE_COURSES_KEPT: Final = 1500
"""Courses of clients on single routes that are kept: fifty on each of those routes."""
ROUTE_SLOTS_KEPT: Final = 100_000
"""Slots of all those together."""
EXPIRE_SECONDS: Final = 2 * 86_400
"""Time after which all courses go, when nothing is added to any."""
MOST_COUNTED: Final = 65_535
"""Requests of a minute, and refused ones of a slot, that are told apart at most."""
SCORE_PARTS: Final = 10_000
"""Scores are kept in so many parts of 1."""
MOMENT_SECONDS: Final = 2
"""Moments within a slot are kept to so many seconds."""
NEVER: Final = 255
"""Stands for no moment of a flag."""
MOST_STEPS: Final = 255
FORM: Final = struct.Struct(f">I{MINUTES + 2}H3B")
"""Packed form of a slot: its number; requests of each minute; refused requests; the lowest score,
without its sign; the highest step; the first moment of a flag; 1 and the last moment of relief."""


class Slot(NamedTuple):
    """Describe what a client did in a slot.

    Attributes:
        number: Number of the slot: its beginning over :data:`SLOT_SECONDS`.
        minutes: Requests of each minute, refused ones included, 0 to :data:`MOST_COUNTED`.
        refused: Requests that were refused, as many at most.
        lowest: The lowest score, 0 to -1.
        step: The highest step on the ladder, 0 for the full limit.
        flagged_at: First time at which it was flagged, in seconds since the epoch; None for never.
        relieved_at: Last time at which it got its full limit back; None for never.
    """

    number: int
    minutes: tuple[int, ...] = (0,) * MINUTES
    refused: int = 0
    lowest: float = 0.0
    step: int = 0
    flagged_at: float | None = None
    relieved_at: float | None = None

    @property
    def begins_at(self) -> float:
        """Give the slot's beginning, in seconds since the epoch."""
        return float(self.number * SLOT_SECONDS)


class CoursePart(NamedTuple):
    """Describe what a worker adds to a client's course.

    Attributes:
        client: The client's key.
        rank: Place among those whose courses are kept; higher ones stay.
        slot: The slot, in its packed form.
        route: The route whose requests alone it counts, as named in
            :mod:`~flask_irl.behaviour.course_routes`; empty for all requests.
    """

    client: str
    rank: float
    slot: bytes
    route: str = ""


def slot_of(at: float) -> int:
    """Give the number of the slot of a time, in seconds since the epoch."""
    return int(at // SLOT_SECONDS)


def number_of(slot: bytes) -> int:
    """Read the number of a packed slot."""
    return int.from_bytes(slot[:4], "big")


def pack(slot: Slot) -> bytes:
    """Pack a slot; figures beyond their range are cut to it."""
    begins = slot.begins_at
    return FORM.pack(
        slot.number,
        *(min(count, MOST_COUNTED) for count in slot.minutes),
        min(slot.refused, MOST_COUNTED),
        min(max(round(-slot.lowest * SCORE_PARTS), 0), SCORE_PARTS),
        min(slot.step, MOST_STEPS),
        NEVER if slot.flagged_at is None else _part(slot.flagged_at - begins),
        0 if slot.relieved_at is None else 1 + _part(slot.relieved_at - begins),
    )


def bounded(course: bytes) -> bytes:
    """Cut a course that somebody may have written: a damaged end, and more slots than are kept."""
    end = len(course) - len(course) % FORM.size
    return course[max(end - SLOTS_KEPT * FORM.size, 0) : end]


def unpack(course: bytes) -> list[Slot]:
    """Read the slots of a course, the earliest first; see :func:`bounded`."""
    return [_slot(fields) for fields in FORM.iter_unpack(bounded(course))]


def add_slot(course: bytes, added: bytes) -> bytes:
    """Add a packed slot to a course, in its place; the twin of ``course.lua``."""
    size = FORM.size
    number = added[:4]
    end = len(course)
    # Big-endian numbers have the order of their bytes.
    while end and course[end - size : end - size + 4] > number:
        end -= size
    if end and course[end - size : end - size + 4] == number:
        merged = _merged(course[end - size : end], added)
        return course[: end - size] + merged + course[end:]
    longer = course[:end] + added + course[end:]
    return longer[-SLOTS_KEPT * size :]


def _merged(before: bytes, added: bytes) -> bytes:
    one, two = FORM.unpack(before), FORM.unpack(added)
    counts = MINUTES + 2
    return FORM.pack(
        one[0],
        *(min(a + b, MOST_COUNTED) for a, b in zip(one[1:counts], two[1:counts], strict=True)),
        max(one[counts], two[counts]),
        max(one[-3], two[-3]),
        min(one[-2], two[-2]),
        max(one[-1], two[-1]),
    )


def _part(seconds: float) -> int:
    return int(min(max(seconds, 0), SLOT_SECONDS - 1) // MOMENT_SECONDS)


def _slot(fields: tuple[int, ...]) -> Slot:
    number, *counts, lowest, step, flagged, relieved = fields
    begins = number * SLOT_SECONDS
    return Slot(
        number,
        tuple(counts[:MINUTES]),
        counts[MINUTES],
        -min(lowest, SCORE_PARTS) / SCORE_PARTS,
        step,
        None if flagged == NEVER else float(begins + flagged * MOMENT_SECONDS),
        None if not relieved else float(begins + (relieved - 1) * MOMENT_SECONDS),
    )
