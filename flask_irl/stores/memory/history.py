"""Keep a site's history in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from flask_irl.behaviour.rollups import RINGS, Rollup
from flask_irl.stores.history import DAY, DAYS_KEPT, TALLIED, History, Tally, TallyName
from flask_irl.stores.memory.courses import MemoryCourses


class MemoryHistory(MemoryCourses):
    """Keep a site's history; see the protocol ``HistoryStore``.

    Args:
        clock: Seconds since the epoch.
    """

    keeps_history = True

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._rings: dict[int, dict[int, tuple[int, Rollup]]] = {r: {} for r in RINGS}
        self._tallies: dict[TallyName, Counter[str]] = {}

    def rollups(self, resolution: int, first: int, last: int) -> dict[int, Rollup]:
        with self._lock:
            kept = sorted(self._rings[resolution].values())
        return {begin: rollup for begin, rollup in kept if first - resolution < begin <= last}

    def tallies(self, wanted: Sequence[TallyName], most: int) -> list[Tally]:
        with self._lock:
            return [dict(self._highest(name, most)) for name in wanted]

    def tally_counts(self, wanted: Sequence[TallyName], members: Sequence[str]) -> list[Tally]:
        with self._lock:
            tallies = [self._tallies.get(name, Counter()) for name in wanted]
            return [{m: counts[m] for m in members if m in counts} for counts in tallies]

    def _highest(self, name: TallyName, most: int) -> list[tuple[str, int]]:
        counts = self._tallies.get(name, Counter()).items()
        return sorted(counts, key=lambda item: (item[1], item[0]), reverse=True)[:most]

    def _add_history(self, history: History) -> None:
        """Add to the history, while this store is locked."""
        self._add_courses(history.courses)
        for (resolution, begin), rollup in history.rollups.items():
            ring, place = self._rings[resolution], begin // resolution % RINGS[resolution]
            before, stored = ring.get(place, (begin, None))
            if before == begin and stored is not None:
                rollup = stored.plus(rollup)
            if before <= begin:
                ring[place] = begin, rollup
        for name, tally in history.tallies.items():
            counts = self._tallies.setdefault(name, Counter())
            counts.update(tally)
            # Sorted now and then only: a flush adds a few members.
            if len(counts) > 2 * TALLIED:
                self._tallies[name] = Counter(dict(self._highest(name, TALLIED)))
        first = self._clock() // DAY - DAYS_KEPT
        for old in [name for name in self._tallies if name[0] <= first]:
            del self._tallies[old]
