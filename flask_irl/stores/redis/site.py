"""Keep the state of the site on Redis, under keys ``<prefix>1.{site}.<name>``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask_irl.stores.redis.damage import DamagedError, DamageLog, parse_whole
from flask_irl.stores.redis.pipeline import Command, Pipeline
from flask_irl.stores.redis.scripts import read_script
from flask_irl.stores.site import AUDIT_KEPT, MODELS_KEPT, RANKED, Revisions

SETTINGS: Final = read_script("settings")
ACTIVATE: Final = read_script("activate")
PUBLISH: Final = read_script("publish")
LEASE: Final = read_script("lease")
RELEASE: Final = read_script("release")
PUT_NETWORK: Final = read_script("put_network")
DROP_NETWORKS: Final = read_script("drop_networks")
DROPPED_AT_ONCE: Final = 500


class RedisSite:
    """Keep the state of the site; see the protocol ``SiteStore``.

    A damaged value is reported and counts as absent. Only calls that an operator makes, and that
    would be lost by it, raise.

    Args:
        pipeline: Runs the commands.
        prefix: Begins every key.
        damage: Takes reports of damaged values.
    """

    def __init__(self, pipeline: Pipeline, prefix: str, damage: DamageLog) -> None:
        self._pipeline = pipeline
        self._damage = damage
        self._site_prefix = f"{prefix}1.{{site}}.".encode()

    def revisions(self) -> Revisions:
        keys = self._site_key("model", "settings", "epoch", "networks")
        model, settings, epoch, networks = keys
        answers = self._run(
            ("GET", model),
            ("HGET", settings, "revision"),
            ("GET", epoch),
            ("HGET", networks, "revision"),
        )
        return Revisions(*map(self._whole, keys, answers))

    def advance_epoch(self) -> None:
        [key] = self._site_key("epoch")
        [epoch] = self._run(("INCR", key))
        if epoch is None or not 0 < epoch < 10**15:
            # Damaged. No worker remembers an epoch as late as the time.
            self._run(("SET", key, int(time.time())))

    def settings(self) -> tuple[int, bytes | None]:
        [key] = self._site_key("settings")
        [answer] = self._run(("HMGET", key, "revision", "settings"))
        revision = self._whole(key, answer and answer[0])
        return (revision, answer[1]) if revision else (0, None)

    def put_settings(self, expected: int, settings: bytes) -> bool:
        [key] = self._site_key("settings")
        return self._run_strictly(("EVAL", SETTINGS.text, 1, key, expected, settings)) == 1

    def networks(self) -> dict[str, bytes]:
        [key] = self._site_key("networks")
        [fields] = self._run(("HGETALL", key))
        named = ((self._text(key, name), value) for name, value in (fields or {}).items())
        return {name: value for name, value in named if name not in (None, "revision")}

    def put_network(self, network: str, override: bytes, most: int) -> bool:
        [key] = self._site_key("networks")
        arguments = (_milliseconds(), most, network, override)
        return self._run_strictly(("EVAL", PUT_NETWORK.text, 1, key, *arguments)) == 1

    def drop_networks(self, networks: Sequence[str], expected: int | None = None) -> bool:
        [key] = self._site_key("networks")
        start = ("EVAL", DROP_NETWORKS.text, 1, key, _milliseconds())
        for at in range(0, len(networks), DROPPED_AT_ONCE):
            part = networks[at : at + DROPPED_AT_ONCE]
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
        self._run_strictly(("LPUSH", key, entry), ("LTRIM", key, 0, AUDIT_KEPT - 1))

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
        self._run(*commands)

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
            self._run(("PFADD", key, *clients))

    def unique_clients(self) -> int:
        [key] = self._site_key("unique")
        [count] = self._run(("PFCOUNT", key))
        return int(count or 0)

    def add_rows(self, rows: Sequence[bytes], capacity: int) -> None:
        if rows:
            [key] = self._site_key("rows")
            self._run(("RPUSH", key, *rows), ("LTRIM", key, -capacity, -1))

    def rows(self) -> list[bytes]:
        [key] = self._site_key("rows")
        [rows] = self._run(("LRANGE", key, 0, -1))
        return list(rows or ())

    def row_count(self) -> int:
        [key] = self._site_key("rows")
        [count] = self._run(("LLEN", key))
        return int(count or 0)

    def add_counts(self, counts: Mapping[str, int]) -> None:
        [key] = self._site_key("counts")
        items = list(counts.items())
        answers = self._run(*(("HINCRBY", key, field, n) for field, n in items))
        # A damaged count begins anew.
        self._run(
            *(
                ("HSET", key, *item)
                for item, answer in zip(items, answers, strict=True)
                if answer is None
            )
        )

    def counts(self) -> dict[str, int]:
        [key] = self._site_key("counts")
        [fields] = self._run(("HGETALL", key))
        counts: dict[str, int] = {}
        for field, value in (fields or {}).items():
            name, count = self._text(key, field), self._whole(key, value, -1)
            if name is not None and count >= 0:
                counts[name] = count
        return counts

    def model_version(self) -> int:
        [key] = self._site_key("model")
        [version] = self._run(("GET", key))
        return self._whole(key, version)

    def model(self, version: int) -> bytes | None:
        [key] = self._site_key("models")
        [blob] = self._run(("HGET", key, version))
        return None if blob is None else bytes(blob)

    def model_versions(self) -> list[int]:
        [key] = self._site_key("models")
        [names] = self._run(("HKEYS", key))
        versions = (self._whole(key, name, -1) for name in names or ())
        return sorted((version for version in versions if version >= 0), reverse=True)

    def publish(self, expected: int, version: int, blob: bytes) -> bool:
        keys = self._site_key("model", "models")
        command = ("EVAL", PUBLISH.text, 2, *keys, expected, version, blob, MODELS_KEPT)
        return self._run_strictly(command) == 1

    def activate(self, version: int) -> bool:
        keys = self._site_key("model", "models")
        return self._run_strictly(("EVAL", ACTIVATE.text, 2, *keys, version)) == 1

    def take_lease(self, name: str, owner: str, seconds: float) -> bool:
        [key] = self._site_key(f"lease.{name}")
        milliseconds = max(1, int(seconds * 1000))
        return self._run_strictly(("EVAL", LEASE.text, 1, key, owner, milliseconds)) == 1

    def release_lease(self, name: str, owner: str) -> None:
        [key] = self._site_key(f"lease.{name}")
        self._run_strictly(("EVAL", RELEASE.text, 1, key, owner))

    def _site_key(self, *names: str) -> list[bytes]:
        return [self._site_prefix + name.encode() for name in names]

    def _run(self, *commands: Command) -> list[Any]:
        """Run commands on the site's keys; a damaged value's answer is None."""
        return self._pipeline.run([(self._site_prefix, command) for command in commands])

    def _run_strictly(self, *commands: Command) -> object:
        """Run commands on the site's keys, for the last one's answer; raise for damaged values."""
        keyed = [(self._site_prefix, command) for command in commands]
        return self._pipeline.run(keyed, strict=True)[-1]

    def _whole(self, key: bytes, value: bytes | None, default: int = 0) -> int:
        """Read a whole number; the default for none or a damaged one."""
        if value is None:
            return default
        try:
            return parse_whole(value)
        except DamagedError as error:
            self._damage.report(key, error)
            return default

    def _texts(self, key: bytes, values: Sequence[bytes] | None) -> list[str]:
        """Read names; leave out damaged ones."""
        texts = (self._text(key, value) for value in values or ())
        return [text for text in texts if text is not None]

    def _text(self, key: bytes, value: bytes) -> str | None:
        """Read a name; None for a damaged one."""
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            self._damage.report(key, error)
            return None


def _milliseconds() -> int:
    return int(time.time() * 1000)


def _page(offset: int, count: int) -> tuple[int, int]:
    """Give a page's first and last index; to Redis, a last one of -1 would be that of the list."""
    return (offset, offset + count - 1) if count > 0 else (1, 0)
