"""Keep the state of the site on Redis, under keys ``<prefix>1.{site}.<name>``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask_irl.behaviour.site_counts import MinuteCounts
from flask_irl.stores.history import History
from flask_irl.stores.redis.pipeline import Command
from flask_irl.stores.redis.recent import RedisRecent
from flask_irl.stores.redis.scripts import read_script
from flask_irl.stores.site import AUDIT_KEPT, MINUTES_KEPT, RANKED, WORKER_SECONDS

SETTINGS: Final = read_script("settings")
LEASE: Final = read_script("lease")
RELEASE: Final = read_script("release")
PUT_FIELD: Final = read_script("put_field")
PUT_TABLE: Final = read_script("put_table")
TAKE_NEWS: Final = read_script("take_news")
DROP_FIELDS: Final = read_script("drop_fields")
DROPPED_AT_ONCE: Final = 500
CLIENT: Final = "client:"
"""Begins a client's name in a table: one may be called as the table's revision is."""
MINUTE: Final = read_script("minute")
WORKERS: Final = read_script("workers")
MINUTE_SECONDS: Final = MINUTES_KEPT * 60


class RedisSite(RedisRecent):
    """Keep the state of the site; see the protocol ``SiteStore``."""

    def advance_epoch(self) -> None:
        [key] = self._site_key("epoch")
        [epoch] = self._run(("INCR", key))
        if epoch is None or not 0 < epoch < 10**15:
            # Damaged. No worker remembers an epoch as late as the time.
            self._run(("SET", key, int(time.time())))

    def tenants(self) -> list[str]:
        [key] = self._site_key("tenants")
        [names] = self._run(("SMEMBERS", key))
        return sorted(self._texts(key, list(names or ())))

    def settings(self) -> tuple[int, bytes | None]:
        return self._revised("settings", "settings")

    def put_settings(self, expected: int, settings: bytes) -> bool:
        [key] = self._site_key("settings")
        return self._run_strictly(("EVAL", SETTINGS.text, 1, key, expected, settings)) == 1

    def campaigns(self) -> tuple[int, bytes | None]:
        return self._revised("campaigns", "table")

    def put_campaigns(self, expected: int, table: bytes) -> bool:
        return self._put("campaigns", expected, table)

    def table(self, name: str) -> tuple[int, bytes | None]:
        return self._revised(f"table.{name}", "table")

    def put_table(self, name: str, expected: int, table: bytes) -> bool:
        return self._put(f"table.{name}", expected, table)

    def _put(self, name: str, expected: int, table: bytes) -> bool:
        [key] = self._site_key(name)
        return self._run_strictly(("EVAL", PUT_TABLE.text, 1, key, expected, table)) == 1

    def add_news(self, name: str, news: bytes, most: int) -> None:
        [key] = self._site_key(f"news.{name}")
        self._write(key, ("RPUSH", key, news), ("LTRIM", key, -most, -1))

    def take_news(self, name: str, most: int) -> list[bytes]:
        [key] = self._site_key(f"news.{name}")
        [news] = self._run(("EVAL", TAKE_NEWS.text, 1, key, most))
        return list(news or ())

    def _revised(self, name: str, field: str) -> tuple[int, bytes | None]:
        """Read a value with its revision."""
        [key] = self._site_key(name)
        [answer] = self._run(("HMGET", key, "revision", field))
        revision = self._whole(key, answer and answer[0])
        return (revision, answer[1]) if revision else (0, None)

    def networks(self) -> dict[str, bytes]:
        return self._table("networks")

    def put_network(self, network: str, override: bytes, most: int) -> bool:
        return self._put_field("networks", network, override, most)

    def drop_networks(self, networks: Sequence[str], expected: int | None = None) -> bool:
        return self._drop("networks", networks, expected)

    def assigned(self) -> dict[str, bytes]:
        fields = self._table("assigned")
        return {x.removeprefix(CLIENT): fields[x] for x in fields if x.startswith(CLIENT)}

    def put_assigned(self, client: str, assignment: bytes, most: int) -> bool:
        return self._put_field("assigned", CLIENT + client, assignment, most)

    def drop_assigned(self, clients: Sequence[str], expected: int | None = None) -> bool:
        return self._drop("assigned", [CLIENT + client for client in clients], expected)

    def _table(self, name: str) -> dict[str, bytes]:
        """Read a table that has a revision."""
        [key] = self._site_key(name)
        [fields] = self._run(("HGETALL", key))
        named = ((self._text(key, field), value) for field, value in (fields or {}).items())
        return {field: value for field, value in named if field not in (None, "revision")}

    def _put_field(self, name: str, field: str, value: bytes, most: int) -> bool:
        """Write a value into a table that has a revision."""
        [key] = self._site_key(name)
        arguments = (_milliseconds(), most, field, value)
        return self._run_strictly(("EVAL", PUT_FIELD.text, 1, key, *arguments)) == 1

    def _drop(self, name: str, fields: Sequence[str], expected: int | None) -> bool:
        """Remove values from a table that has a revision."""
        [key] = self._site_key(name)
        start = ("EVAL", DROP_FIELDS.text, 1, key, _milliseconds())
        for at in range(0, len(fields), DROPPED_AT_ONCE):
            part = fields[at : at + DROPPED_AT_ONCE]
            revision: Any = self._run_strictly(
                (*start, "" if expected is None else expected, *part)
            )
            if not revision:
                return False
            if expected is not None:
                expected = self._whole(key, revision)
        return True

    def add_audit(self, entry: bytes) -> None:
        [key] = self._site_key("audit")
        self._write(key, ("LPUSH", key, entry), ("LTRIM", key, 0, AUDIT_KEPT - 1))

    def audit(self, offset: int, count: int) -> tuple[list[bytes], int]:
        [key] = self._site_key("audit")
        first, last = _page(offset, count)
        entries, total = self._run(("LRANGE", key, first, last), ("LLEN", key))
        return list(entries or ()), int(total or 0)

    def rank(self, name: str, entries: Mapping[str, float], gone: Sequence[str] = ()) -> None:
        [key] = self._site_key(f"rank.{name}")
        commands: list[Command] = []
        if entries:
            pairs = [part for client, value in entries.items() for part in (repr(value), client)]
            commands.append(("ZADD", key, *pairs))
        if gone:
            commands.append(("ZREM", key, *gone))
        if entries:
            # Last: the clients that are gone make room.
            commands.append(("ZREMRANGEBYRANK", key, 0, -RANKED - 1))
        self._write(key, *commands)

    def ranked(
        self, name: str, offset: int, count: int, least: float | None = None
    ) -> tuple[list[str], int]:
        [key] = self._site_key(f"rank.{name}")
        if least is not None:
            # A ranking is short: to read all that is left costs less than to count it, too.
            [members] = self._run(("ZRANGE", key, "+inf", repr(least), "BYSCORE", "REV"))
            names = self._texts(key, members)
            return names[offset : offset + count], len(names)
        first, last = _page(offset, count)
        members, total = self._run(("ZRANGE", key, first, last, "REV"), ("ZCARD", key))
        return self._texts(key, members), int(total or 0)

    def count_unique(self, clients: Sequence[str]) -> None:
        if clients:
            [key] = self._site_key("unique")
            self._write(key, ("PFADD", key, *clients))

    def unique_clients(self) -> int:
        [key] = self._site_key("unique")
        [count] = self._run(("PFCOUNT", key))
        return int(count or 0)

    def add_rows(self, rows: Sequence[bytes], capacity: int) -> None:
        if rows:
            [key] = self._site_key("rows")
            self._write(key, ("RPUSH", key, *rows), ("LTRIM", key, -capacity, -1))

    def rows(self) -> list[bytes]:
        [key] = self._site_key("rows")
        [rows] = self._run(("LRANGE", key, 0, -1))
        return list(rows or ())

    def row_count(self) -> int:
        [key] = self._site_key("rows")
        [count] = self._run(("LLEN", key))
        return int(count or 0)

    def add_counts(
        self,
        counts: Mapping[str, int],
        minutes: Mapping[int, MinuteCounts] | None = None,
        history: History | None = None,
    ) -> None:
        [key] = self._site_key("counts")
        items = list(counts.items())
        commands: list[Command] = [("HINCRBY", key, field, n) for field, n in items]
        for minute, added in (minutes or {}).items():
            [place] = self._site_key(f"minute.{minute}")
            commands.append(("EVAL", MINUTE.text, 1, place, *added, MINUTE_SECONDS))
        if history is not None:
            commands += self._history_commands(history)
        answers = self._run(*commands)[: len(items)]
        # A damaged count begins anew.
        damaged = [item for item, answer in zip(items, answers, strict=True) if answer is None]
        if damaged:
            self._write(key, *(("HSET", key, *item) for item in damaged))

    def counts(self) -> dict[str, int]:
        [key] = self._site_key("counts")
        [fields] = self._run(("HGETALL", key))
        counts: dict[str, int] = {}
        for field, value in (fields or {}).items():
            name, count = self._text(key, field), self._whole(key, value, -1)
            if name is not None and count >= 0:
                counts[name] = count
        return counts

    def minutes(self, wanted: Sequence[int]) -> dict[int, MinuteCounts]:
        keys = self._site_key(*(f"minute.{minute}" for minute in wanted))
        values = self._run(*(("GET", key) for key in keys))
        found: dict[int, MinuteCounts] = {}
        for minute, key, value in zip(wanted, keys, values, strict=True):
            if value is not None:
                # A later version may write more behind them.
                counts = [self._whole(key, part, -1) for part in value.split(b" ")[:2]]
                if len(counts) == 2 and min(counts) >= 0:
                    found[minute] = MinuteCounts(*counts)
        return found

    def tell_worker(self, worker: str, report: bytes) -> None:
        self._ask_workers(worker, report)

    def workers(self) -> dict[str, bytes]:
        answer = self._ask_workers("", b"")
        return {name.decode(errors="replace"): report for name, report in answer.items()}

    def _ask_workers(self, worker: str, report: bytes) -> dict[bytes, bytes]:
        [key] = self._site_key("workers")
        now, seconds = self._whole_seconds(), int(WORKER_SECONDS)
        [live] = self._run(("EVAL", WORKERS.text, 1, key, now, seconds, worker, report))
        pairs = iter(live or ())
        return dict(zip(pairs, pairs, strict=True))

    def put_note(self, name: str, note: bytes) -> None:
        [key] = self._site_key(f"note.{name}")
        self._run(("SET", key, note))

    def note(self, name: str) -> bytes | None:
        [key] = self._site_key(f"note.{name}")
        [note] = self._run(("GET", key))
        return None if note is None else bytes(note)

    def take_lease(self, name: str, owner: str, seconds: float) -> bool:
        [key] = self._site_key(f"lease.{name}")
        milliseconds = max(1, int(seconds * 1000))
        return self._run_strictly(("EVAL", LEASE.text, 1, key, owner, milliseconds)) == 1

    def release_lease(self, name: str, owner: str) -> None:
        [key] = self._site_key(f"lease.{name}")
        self._run_strictly(("EVAL", RELEASE.text, 1, key, owner))


def _milliseconds() -> int:
    return int(time.time() * 1000)


def _page(offset: int, count: int) -> tuple[int, int]:
    """Give a page's first and last index; to Redis, a last one of -1 would be that of the list."""
    return (offset, offset + count - 1) if count > 0 else (1, 0)
