"""Cut the observations of a flush into slices of few clients, each client in as few as can be.

A client that asks often is then loaded, judged and saved once a flush, and no slice takes long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Final, NamedTuple

from flask_irl.behaviour.buffer import Buffer
from flask_irl.behaviour.observation import AT, CLIENT, Fields

TAKEN: Final = 1000
"""Observations taken from the buffer between two pauses."""
RESTS: Final = 12
"""Rests in a slice, about."""
REST_SECONDS: Final = (0.0005, 0.0025)
"""Shortest and longest rest for requests that wait for the interpreter, which otherwise get it only
after 5 ms. A step takes half a millisecond: after a long rest, requests hardly notice it."""
RESTS_SECONDS: Final = 0.5
"""Time that the rests of a flush take together, beyond which they become shorter: the next flush is
due in a second."""

ByClient = dict[str, list[Fields]]
"""Observations of each client, in order."""


class Size(NamedTuple):
    """Bound a slice: the most clients and observations of one."""

    clients: int
    observations: int


SLICE: Final = Size(clients=300, observations=1000)
"""Bounds of what is merged at once while requests are served: no step takes a millisecond."""


def take_by_client(buffer: Buffer, rest: Callable[[], object]) -> tuple[ByClient, int]:
    """Take the observations that wait, and all refusals.

    Args:
        buffer: Holds them.
        rest: Is called between two steps.

    Returns:
        The observations by client, and their number.
    """
    by_client: ByClient = {}
    number = 0
    # Counted once: on a busy site, more come meanwhile.
    left, part = len(buffer), buffer.take_refused()
    while True:
        # Refusals last: each stands for several, up to now.
        observations = buffer.take(min(left, TAKEN))
        left -= TAKEN
        if left <= 0:
            observations += part
        for observation in observations:
            by_client.setdefault(observation[CLIENT], []).append(observation)
        number += len(observations)
        if left <= 0:
            return by_client, number
        rest()


def slices(by_client: ByClient, size: Size) -> Iterator[ByClient]:
    """Cut observations into slices, and take them out with each slice that is given.

    Args:
        by_client: The observations; holds those of later slices while one is worked on.
        size: The bounds of a slice; a client with more observations is in several.
    """
    count = -(-len(by_client) // size.clients)
    # Alike, since a slice of a few clients costs half of one that is full.
    clients = -(-len(by_client) // max(count, 1))
    while by_client:
        part: ByClient = {}
        room = size.observations
        while by_client and room > 0 and len(part) < clients:
            client = next(iter(by_client))
            own = by_client[client]
            if len(own) <= room:
                part[client] = by_client.pop(client)
            else:
                part[client], by_client[client] = own[:room], own[room:]
            room -= len(part[client])
        yield part


def rest_of(by_client: ByClient) -> list[Fields]:
    """Give the observations that no slice has taken, in order of time."""
    left = [observation for own in by_client.values() for observation in own]
    return sorted(left, key=itemgetter(AT))


def rest_seconds(clients: int, observations: int) -> float:
    """Choose the length of a rest in a flush of so many clients."""
    slices = max(clients / SLICE.clients, observations / SLICE.observations, 1.0)
    shortest, longest = REST_SECONDS
    return min(max(RESTS_SECONDS / (RESTS * slices), shortest), longest)
