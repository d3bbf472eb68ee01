"""Count what a flush has seen of newcomers, by subject, for the worker that looks at the site."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.events import READING
from flask_irl.behaviour.observation import BY_NAME, FAILED_LOGIN, LOGIN, NO_LOGIN, Fields
from flask_irl.behaviour.routes import is_login
from flask_irl.behaviour.sums import DENIED, answer_of
from flask_irl.campaigns.campaign import ALL, KINDS, Subject
from flask_irl.campaigns.newcomers import (
    LOGGED_IN,
    NEW_SECONDS,
    SORTED_AT,
    SystemOf,
    came_after,
    has_history,
    login_sorts,
    logins_done,
    networks_of,
    sort_masks,
)
from flask_irl.stored import read_json

MAX_SUBJECTS: Final = 2000
"""Subjects that one worker's news names at most, until they are told."""
COUNTS: Final = frozenset({"done", "failed", "refused", "clients", "judged", "odd", "held"})
FIRST_FAILURE: Final = 0.5


class Seen(NamedTuple):
    """Hold clients that were judged together.

    Attributes:
        clients: Their keys.
        observations: Each one's observations, merged into its profile.
        records: Their profiles.
        features: Their features.
        counted: Whether each counts: whether its profile was saved.
    """

    clients: Sequence[str]
    observations: Sequence[Sequence[Fields]]
    records: profile.Records
    features: NDArray[np.float32]
    counted: NDArray[np.bool_]


class News:
    """Gather counts until they are told.

    Args:
        system_of: Names the autonomous system of a client; None where nothing does.

    Attributes:
        counts: The counts of each subject, by name.
        latest: Time of the latest observation, in seconds since the epoch.
    """

    def __init__(self, system_of: SystemOf | None = None) -> None:
        self._system_of = system_of
        self.counts: dict[Subject, Counter[str]] = {}
        self.latest = 0.0

    def see(self, seen: Seen) -> None:
        """Count newcomers, and logins."""
        if len(seen.records):
            # Not the latest ever: else nothing would be told for as long as a clock was set back.
            self.latest = float(seen.records["updated"].max())
        self._see_logins(seen)
        self._see_newcomers(seen)

    def hold(self, subject: Subject, requests: int) -> None:
        """Count requests of clients that are held by a running campaign."""
        self._add(subject, held=requests)

    def encode(self) -> bytes:
        """Encode them for the store."""
        entries = [[*subject, dict(counts)] for subject, counts in self.counts.items()]
        return json.dumps({"latest": self.latest, "counts": entries}).encode()

    def _add(self, subject: Subject, **counts: int) -> None:
        found = self.counts.get(subject)
        if found is None:
            if len(self.counts) >= MAX_SUBJECTS:
                return
            found = self.counts[subject] = Counter()
        found.update(counts)

    def _see_logins(self, seen: Seen) -> None:
        counted = seen.counted.tolist()
        attempts = {
            index: tries
            for index, observations in enumerate(seen.observations)
            if counted[index]
            and (
                tries := [
                    # A site may have a login that nobody named: any change may be an attempt.
                    x
                    for x in observations
                    if (x[5] not in READING and x[11] != NO_LOGIN) or x[11] == FAILED_LOGIN
                ]
            )
        }
        if not attempts:
            return
        view = profile.view(seen.records, 0.0, 0.0)
        history = has_history(seen.records).tolist()
        # A change elsewhere, which anybody may make, is no login where there is one.
        entered, changed = logins_done(view, named=True).tolist(), logins_done(view).tolist()
        failed_before, sorts = view["failed_writes"].tolist(), login_sorts(view)
        counts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        outcomes: dict[tuple[str, int, bool, int], str] = {}
        for index, tries in attempts.items():
            told: dict[tuple[str, str], int] = {}
            for x in tries:
                kind = (x[3], x[6], x[8], x[11])
                outcome = outcomes.get(kind) or outcomes.setdefault(kind, _outcome(*kind))
                told[x[3], outcome] = told.get((x[3], outcome), 0) + x[9]
            done = sum(n for (_, outcome), n in told.items() if outcome == "done")
            logins = sum(n for (at, word), n in told.items() if word == "done" and is_login(at))
            failed = sum(n for (_, outcome), n in told.items() if outcome == "failed")
            known = {
                False: history[index] or changed[index] - done >= LOGGED_IN,
                True: history[index] or entered[index] - logins >= LOGGED_IN,
            }
            first = failed_before[index] - failed < FIRST_FAILURE
            for (route, outcome), times in told.items():
                counts[route, ALL, outcome] += times
                if not known[is_login(route)]:
                    counts[route, sorts[index], outcome] += times
                    if first and outcome == "failed":
                        counts[route, sorts[index], "clients"] += 1
        for (route, sort, name), times in counts.items():
            if name != "other":
                self._add(Subject("login", route, sort), **{name: times})

    def _see_newcomers(self, seen: Seen) -> None:
        """Count each newcomer once, when it has sent enough requests to be sorted."""
        records = seen.records
        young = seen.counted & came_after(records, records["updated"] - NEW_SECONDS)
        young &= records["total"] >= SORTED_AT
        indices = [
            index
            for index in np.flatnonzero(young).tolist()
            if records["total"][index] - sum(x[9] for x in seen.observations[index]) < SORTED_AT
        ]
        if not indices:
            return
        part = records[indices]
        masks = sort_masks(seen.features[indices], part)
        for place, index in enumerate(indices):
            networks = networks_of(seen.clients[index], self._system_of)
            for sort, mask in masks.items():
                counts = {"judged": 1, "odd": 1} if mask[place] else {"judged": 1}
                self._add(Subject("site", "", sort), **counts)
                for network in networks:
                    self._add(Subject("network", network, sort), **counts)


def _outcome(route: str, status: int, refused: bool, word: int) -> str:
    """Name the outcome of an attempt."""
    if refused:
        return "refused"
    named = is_login(route) if word == BY_NAME else word == LOGIN
    if word == FAILED_LOGIN or answer_of(status, login=named) == DENIED:
        return "failed"
    return "done" if status < 400 else "other"


def decode(data: bytes) -> tuple[float, dict[Subject, Mapping[str, float]]]:
    """Decode news: the time of the latest observation, and the counts by subject.

    What isn't known is left out.

    Raises:
        ValueError: The bytes are no news.
    """
    try:
        members: Any = read_json(data)
        latest = _count(members["latest"])
        found: dict[Subject, Mapping[str, float]] = {}
        for kind, target, sort, counts in members["counts"][:MAX_SUBJECTS]:
            if kind in KINDS:
                numbers = {name: _count(n) for name, n in counts.items() if name in COUNTS}
                found[Subject(kind, str(target), str(sort))] = numbers
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"news can't be read: {error!r}") from None
    return latest, found


def _count(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{value!r} is no count")
    return number
