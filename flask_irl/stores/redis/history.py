"""Keep a site's history on Redis: rings of rollups, and a tally of each day as a sorted set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from flask_irl.behaviour.rollups import RINGS, Rollup, decode, encode
from flask_irl.stores.history import DAYS_KEPT, TALLIED, History, Tally, TallyName
from flask_irl.stores.redis.courses import RedisCourses
from flask_irl.stores.redis.damage import DamagedError
from flask_irl.stores.redis.pipeline import Command
from flask_irl.stores.redis.scripts import read_script

ROLLUP: Final = read_script("rollup")
TALLY: Final = read_script("tally")
NUMBER_OF: Final = {resolution: number for number, resolution in enumerate(RINGS, 1)}
MOST_COUNTED: Final = 1e15


class RedisHistory(RedisCourses):
    """Keep a site's history; see the protocol ``HistoryStore``."""

    keeps_history = True

    def rollups(self, resolution: int, first: int, last: int) -> dict[int, Rollup]:
        [key] = self._site_key(f"rollups.{resolution}")
        begins = list(range(first - first % resolution, last + 1, resolution))
        begins = begins[-RINGS[resolution] :]
        if not begins:
            return {}
        places = [begin // resolution % RINGS[resolution] for begin in begins]
        [values] = self._run(("HMGET", key, *places))
        found: dict[int, Rollup] = {}
        for begin, value in zip(begins, values or (), strict=False):
            if value is None:
                continue
            stored, _, figures = value.partition(b" ")
            if self._whole(key, stored, -1) != begin:
                continue
            try:
                found[begin] = decode(figures.decode("ascii", "replace"))
            except ValueError as error:
                self._damage.report(key, DamagedError(str(error)))
        return found

    def tallies(self, wanted: Sequence[TallyName], most: int) -> list[Tally]:
        return self._read_tallies(
            wanted, lambda key: ("ZRANGE", key, 0, most - 1, "REV", "WITHSCORES"), self._tally
        )

    def tally_counts(self, wanted: Sequence[TallyName], members: Sequence[str]) -> list[Tally]:
        if not members:
            return [{} for _ in wanted]

        def read(key: bytes, scores: Sequence[float | None] | None) -> Tally:
            pairs = zip(members, scores or (), strict=False)
            return {name: int(n) for name, n in pairs if n is not None and 0.0 < n < MOST_COUNTED}

        return self._read_tallies(wanted, lambda key: ("ZMSCORE", key, *members), read)

    def _read_tallies(
        self,
        wanted: Sequence[TallyName],
        command: Callable[[bytes], Command],
        read: Callable[[bytes, Any], Tally],
    ) -> list[Tally]:
        """Read of tallies, those of other days left out: the keys are the same each nine days."""
        if not wanted:
            return []
        keys, fields = self._tally_places(wanted)
        [days] = self._site_key("tallies")
        stored, *answers = self._run(("HMGET", days, *fields), *map(command, keys))
        found: list[Tally] = []
        for (day, _), key, at, answer in zip(
            wanted, keys, stored or [None] * len(keys), answers, strict=True
        ):
            found.append(read(key, answer) if self._whole(days, at, -1) == day else {})
        return found

    def _tally(self, key: bytes, answer: list[tuple[bytes, float]] | None) -> Tally:
        found: dict[str, int] = {}
        for member, count in answer or ():
            name = self._text(key, member)
            if name is not None and 0.0 < count < MOST_COUNTED:
                found[name] = int(count)
        return found

    def _tally_places(self, names: Sequence[TallyName]) -> tuple[list[bytes], list[str]]:
        """Give the keys of tallies, and their fields among the days: the same each nine days."""
        fields = [f"{day % DAYS_KEPT}.{name}" for day, name in names]
        return self._site_key(*(f"tally.{field}" for field in fields)), fields

    def _history_commands(self, history: History) -> list[Command]:
        """List the commands that add to the history."""
        commands = self._course_commands(history.courses)
        if history.rollups:
            rings = self._site_key(*(f"rollups.{resolution}" for resolution in RINGS))
            parts: list[int | str] = []
            for (resolution, begin), rollup in history.rollups.items():
                place = begin // resolution % RINGS[resolution]
                parts += (NUMBER_OF[resolution], place, begin, encode(rollup))
            commands.append(("EVAL", ROLLUP.text, len(rings), *rings, *parts))
        keys, fields = self._tally_places([*history.tallies])
        [days] = self._site_key("tallies")
        for key, field, (name, tally) in zip(keys, fields, history.tallies.items(), strict=True):
            pairs = [part for member, n in tally.items() for part in (n, member)]
            commands.append(("EVAL", TALLY.text, 2, key, days, TALLIED, field, name[0], *pairs))
        return commands
