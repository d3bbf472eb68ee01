"""Gather the part of a flush that concerns the site as a whole, to store it once at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.observation import AT, Fields
from flask_irl.behaviour.rollups import FIRST_SCORE, SCORE_BUCKETS, Seconds
from flask_irl.behaviour.site_counting import count_observations
from flask_irl.behaviour.site_counts import MinuteCounts
from flask_irl.behaviour.sums import Floats
from flask_irl.stores.base import Store
from flask_irl.stores.history import History
from flask_irl.stores.site import MINUTES_KEPT
from flask_irl.verdicts.course_book import CourseBook
from flask_irl.verdicts.course_rows import LimitedRoutes
from flask_irl.verdicts.merge import Profiles
from flask_irl.verdicts.rankings import Rankings
from flask_irl.verdicts.recent import Recent, recent_for
from flask_irl.verdicts.tallies import CountryOf, Tallies


@dataclass(frozen=True, slots=True)
class SiteUpdate:
    """Gather counters, history, training rows and rankings of a flush, and requests to keep.

    Tallies and courses wait from one flush to the next.
    """

    counts: Counter[str] = field(default_factory=Counter)
    minutes: dict[int, MinuteCounts] = field(default_factory=dict)
    seconds: Seconds = field(default_factory=Seconds)
    tallies: Tallies = field(default_factory=Tallies)
    courses: CourseBook = field(default_factory=lambda: CourseBook(time.monotonic))
    rows: list[bytes] = field(default_factory=list)
    rankings: Rankings = field(default_factory=Rankings)
    recent: Recent | None = None

    @classmethod
    def first(
        cls,
        clock: Callable[[], float],
        recent_requests: int = 0,
        country_of: CountryOf | None = None,
        limited: LimitedRoutes = tuple,
    ) -> SiteUpdate:
        """Begin one for which nothing waits.

        Args:
            clock: Seconds of a clock that is never set.
            recent_requests: The number of each client's latest requests that are kept.
            country_of: Names the country of a client, or gives ``""``; None where nothing does.
            limited: As of :class:`~flask_irl.verdicts.course_book.CourseBook`.
        """
        return cls(
            tallies=Tallies(country_of),
            courses=CourseBook(clock, limited),
            recent=recent_for(recent_requests),
        )

    def count(self, observations: Sequence[Fields], *, history: bool = True) -> None:
        """Count observations; without a history only what models are trained on."""
        if not observations:
            return
        if not history:
            self.counts.update(count_observations(observations, Seconds(), {}).totals)
            return
        clients = self.tallies.clients(observations[0][AT])
        counted = count_observations(observations, self.seconds, clients)
        self.tallies.count(counted)
        self.counts.update(counted.totals)
        for minute, counts in counted.minutes.items():
            before = self.minutes.get(minute)
            self.minutes[minute] = counts if before is None else counts.plus(before)

    def see(
        self, profiles: Profiles, saved: Mask, scores: Floats, steps: NDArray[np.int64]
    ) -> None:
        """Take up clients that were judged, for the history, their courses and the rankings.

        Args:
            profiles: The clients, with their steps until now.
            saved: Whether the profile of each was saved; others are left out.
            scores: Their smoothed scores.
            steps: Their steps from now on.
        """
        self._count_scores(scores[saved], profiles.now)
        self.courses.add(profiles, saved, scores, steps)
        self.rankings.add(
            [client for client, is_saved in zip(profiles.clients, saved, strict=True) if is_saved],
            profiles.records[saved],
            scores[saved],
            steps[saved],
        )

    def _count_scores(self, scores: Floats, now: float) -> None:
        """Count the scores, 0 to -1, of clients judged at a time, in seconds since the epoch."""
        buckets = np.clip(-scores * SCORE_BUCKETS, 0, SCORE_BUCKETS - 1).astype(np.int64)
        for bucket, clients in enumerate(np.bincount(buckets).tolist()):
            if clients:
                self.seconds.add(int(now), FIRST_SCORE + bucket, clients)

    def next(self) -> SiteUpdate:
        """Begin the next flush's, with what waits here."""
        return SiteUpdate(tallies=self.tallies, courses=self.courses, recent=self.recent)

    def forget(self) -> None:
        """Forget what waits of clients: their courses and their requests."""
        self.courses.clear()
        if self.recent is not None:
            self.recent.clear()

    def due(self, *, gently: bool) -> bool:
        """Tell whether there is anything to save, in a gentle flush or another one."""
        return bool(self.counts) or self.courses.due(gently=gently)

    def bound(self, rows_capacity: int) -> None:
        """Drop the oldest of what has waited for too long, while the store is out.

        Args:
            rows_capacity: The largest number of training rows in the store.
        """
        del self.rows[:-rows_capacity]
        for minute in sorted(self.minutes)[:-MINUTES_KEPT]:
            del self.minutes[minute]
        self.seconds.bound()
        self.tallies.bound()
        self.rankings.bound()
        if self.recent is not None:
            self.recent.bound()

    def save(
        self,
        store: Store,
        rows_capacity: int,
        maxima: Sequence[int] = (0, 0),
        errors: int = 0,
        *,
        gently: bool = False,
    ) -> None:
        """Save all of it, but for tallies and courses that wait.

        Args:
            store: The store.
            rows_capacity: The largest number of training rows in the store.
            maxima: Figures of :data:`~flask_irl.behaviour.rollups.MAXIMA`.
            errors: Calls of the store that have failed since the last save.
            gently: Whether requests are being served: courses wait longer then.

        Raises:
            StoreError: The store failed; only the part not saved is left here.
        """
        if self.rows:
            store.add_rows(list(self.rows), rows_capacity)
            self.counts["rows"] += len(self.rows)
            self.rows.clear()
        if store.keeps_history:
            self._save_counts(store, maxima, errors, gently=gently)
            self.rankings.save(store)
        else:
            store.add_counts(dict(self.counts))
            self.counts.clear()
        if self.recent is not None:
            self.recent.save(store)

    def _save_counts(
        self, store: Store, maxima: Sequence[int], errors: int, *, gently: bool
    ) -> None:
        told = self.tallies.highest()
        courses = self.courses.highest(gently=gently)
        history = History(self.seconds.fold(maxima, errors), told, courses.parts)
        store.add_counts(dict(self.counts), dict(self.minutes), history)
        self.counts.clear()
        self.minutes.clear()
        self.seconds.clear()
        self.tallies.remove(told)
        self.courses.remove(courses)
