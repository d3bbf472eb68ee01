"""Merge observations into the profiles of their clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.events import Events, kinds_and_events
from flask_irl.behaviour.folding import fold
from flask_irl.behaviour.kinds import Kinds
from flask_irl.behaviour.observation import AT, ROUTE, Fields
from flask_irl.behaviour.sums import Floats
from flask_irl.stores.state import ClientState
from flask_irl.verdicts.judge import horizons
from flask_irl.verdicts.ladder import Ladder

MAX_MINUTES: Final = 65_000
MAX_AHEAD: Final = 7 * 86_400.0
"""Seconds by which a profile may be newer than an observation that waited for long in a worker
without its store; a profile that is newer still is damaged."""
ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Profiles:
    """Hold clients with their observations merged into their profiles; one entry per client.

    Attributes:
        clients: Their keys.
        states: Their states, as loaded.
        observations: The number of observations of each.
        routes: The route of each one's latest observation.
        records: Their profiles, up to date.
        steps: Their present steps.
        scores: Their smoothed scores until now, 0 to -1; 0 of a client not judged yet.
        elapsed: Seconds since each was judged; infinite for a client not judged yet.
        now: Time of the latest observation, in seconds since the epoch.
        events: The observations as columns.
        kinds: Their routes and methods.
    """

    clients: list[str]
    states: list[ClientState]
    observations: list[int]
    routes: list[str]
    records: profile.Records
    steps: NDArray[np.int64]
    scores: Floats
    elapsed: Floats
    now: float
    events: Events
    kinds: Kinds


def merge(
    states: Mapping[str, ClientState],
    by_client: Mapping[str, Sequence[Fields]],
    *,
    ladder: Ladder,
    shares: Mapping[str, float],
    rest: Callable[[], object],
    damaged: Callable[[str], object],
) -> Profiles:
    """Merge observations into the profiles of their clients.

    Writes the behaviour in the records: ``schema``, ``epoch``, ``seen``, ``seen_before``, ``sums``,
    ``total``, ``first``, ``updated``, ``minutes``; all of a damaged profile, which begins anew.

    Args:
        states: The clients' states, at least one.
        by_client: Their observations, at least one of each, in order; others are ignored.
        ladder: The steps.
        shares: Learned share of each route among the site's requests.
        rest: Is called between two steps.
        damaged: Takes each client whose profile can't be read.
    """
    clients = list(states)
    blobs = [state.profile for state in states.values()]
    records = profile.decode(blobs)
    for place in profile.damaged(blobs, records):
        damaged(clients[place])
    rest()
    counts = [len(by_client[client]) for client in clients]
    owners: list[int] = []
    observations: list[Fields] = []
    for index, client in enumerate(clients):
        observations += by_client[client]
        owners += [index] * counts[index]
    steps = np.array([state.step for state in states.values()], dtype=np.int64)
    scores = _valid_scores([state.score for state in states.values()])
    latest = np.zeros(len(clients))
    np.maximum.at(latest, owners, [observation[AT] for observation in observations])
    profile.begin_anew(records, records["updated"] > latest + MAX_AHEAD)
    profile.fade_idle(records, latest, horizons(ladder, records, steps))
    before = records["updated"].copy()
    rest()
    kinds, events = kinds_and_events(owners, observations, shares, rest)
    rest()
    fold(records, events, rest)
    rest()
    after = records["updated"]
    is_next_minute = after // 60 != before // 60
    records["minutes"] += (steps == 0) & is_next_minute & (records["minutes"] < MAX_MINUTES)
    return Profiles(
        clients,
        list(states.values()),
        counts,
        [by_client[client][-1][ROUTE] for client in clients],
        records,
        steps,
        scores,
        np.where(scores == 0.0, np.inf, after - before),
        float(latest.max()),
        events,
        kinds,
    )


def _valid_scores(scores: Sequence[float]) -> Floats:
    """Take scores that no judge gave for none at all."""
    values = np.array(scores, dtype=np.float64)
    return np.where((values >= -1.0 - ROUNDING) & (values <= ROUNDING), values, 0.0)
