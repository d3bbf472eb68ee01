"""Count a log's requests, failed logins and newcomers in bins of five minutes, by route."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.routes import is_login
from flask_irl.campaigns.criteria import LOGIN_FLOORS
from flask_irl.replay.formats import LogEntry
from flask_irl.replay.routes import RouteFolder

BIN: Final = 300.0
"""Seconds of a bin."""
DAY: Final = 86_400.0
ROUTES: Final = 12
"""Routes that are looked at: the busiest, and for failed logins those with most."""
KINDS: Final = ("requests", "failed logins", "newcomers")
LEAST: Final = 20
"""Events that a series must have; with fewer there is nothing to forecast."""

WEEKS: Final = 3
ATTACK: Final = 12
"""Bins that an added attack takes: an hour."""
ATTACK_DAYS: Final = 7
"""Days between two attacks on a series: more would teach a model that they are usual."""
FLOOR: Final = LOGIN_FLOORS["direct"][0][1]
"""Least counts that an attack adds to a bin: the fewest for which a campaign is named."""

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Hold the counts of a log.

    Days without any request are left out: they are gaps of the log, not of the traffic.

    Args:
        log: Name of the log.
        names: Kind and route of each series.
        counts: A row for each series, a column for each bin.
        times: Beginnings of the bins, in seconds since the epoch.
    """

    log: str
    names: tuple[tuple[str, str], ...]
    counts: Counts
    times: Counts


def count(log: str, entries: Iterable[LogEntry], *, by_answer: bool = False) -> Series:
    """Count the entries of a log, in order of time.

    Args:
        log: Name of the log.
        entries: Its entries.
        by_answer: Whether a login has failed only if its status says so. Else one has that isn't
            answered by a redirect, as blogs answer a wrong password with a 200.
    """
    folder = RouteFolder()
    seen: set[str] = set()
    found: Counter[tuple[str, str, int]] = Counter()
    for entry in entries:
        route = folder.route(entry.method, entry.path)
        place = int(entry.ts // BIN)
        found["requests", route, place] += 1
        if entry.client not in seen:
            seen.add(entry.client)
            found["newcomers", route, place] += 1
        if entry.method == "POST" and is_login(route):
            done = entry.status < 400 if by_answer else 300 <= entry.status < 400
            if not done:
                found["failed logins", route, place] += 1
    totals: Counter[tuple[str, str]] = Counter()
    for (kind, route, _), number in found.items():
        totals[kind, route] += number
    names = tuple(name for kind in KINDS for name in _busiest(kind, totals))
    per_day = int(DAY // BIN)
    days = sorted({place // per_day for _, _, place in found})
    columns = {day: index * per_day for index, day in enumerate(days)}
    rows = {name: index for index, name in enumerate(names)}
    counts = np.zeros((len(names), len(days) * per_day))
    for (kind, route, place), number in found.items():
        row = rows.get((kind, route))
        if row is not None:
            counts[row, columns[place // per_day] + place % per_day] = number
    bins = (np.array(days)[:, None] * per_day + np.arange(per_day)).ravel()
    times = bins.astype(np.float64) * BIN
    # A log rarely begins and ends at midnight.
    first, last = (f(place for _, _, place in found) * BIN for f in (min, max))
    inside = (times >= first) & (times <= last)
    return Series(log, names, counts[:, inside], times[inside])


def office_hours(seed: int = 1) -> Series:
    """Draw counts with as strong a season as there is: busy at work, quiet at night, on weekends.

    No log is like it. It shows that a model which knows of seasons makes use of them.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(WEEKS * 7 * int(DAY // BIN), dtype=np.float64) * BIN + 4 * DAY
    hour, weekday = times % DAY / DAY * 24, (times // DAY + 3) % 7
    at_work = (hour > 8) & (hour < 18) & (weekday < 5)
    names = tuple((kind, f"/{number}") for kind in KINDS for number in range(2))
    mean = rng.uniform(5, 40, len(names))[:, None] * np.where(at_work, 1.0, 0.05)
    return Series("office hours (drawn)", names, rng.poisson(mean).astype(float), times)


def attacked(series: Series, learned: int, seed: int = 1) -> tuple[Series, NDArray[np.bool_]]:
    """Add an attack of an hour a week to each series of failed logins and newcomers.

    It adds a dozen counts to a bin, or three times the mean, whichever is more.

    Args:
        series: A log's counts.
        learned: Bins at the beginning without an attack.
        seed: Seed of the attacks' times and sizes.

    Returns:
        The series, and the bins that are attacked.
    """
    rng = np.random.default_rng(seed)
    counts = series.counts.copy()
    mask = np.zeros(counts.shape, dtype=bool)
    week = ATTACK_DAYS * int(DAY // BIN)
    for row, (kind, _) in enumerate(series.names):
        if kind == "requests":
            continue
        amount = max(FLOOR, 3.0 * float(counts[row].mean()))
        for first in range(learned, counts.shape[1], week):
            start = first + int(rng.integers(min(week, counts.shape[1] - first)))
            mask[row, start : start + ATTACK] = True
        counts[row] += mask[row] * rng.poisson(amount, counts.shape[1])
    return replace(series, counts=counts), mask


def _busiest(kind: str, totals: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """List the busiest series of a kind."""
    some = Counter({name: n for name, n in totals.items() if name[0] == kind and n >= LEAST})
    return [name for name, _ in some.most_common(ROUTES)]
