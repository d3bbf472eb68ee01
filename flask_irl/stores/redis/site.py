"""The operator's side of the Redis store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_irl.stores.site import AUDIT_KEPT, RANKED, News

SETTINGS_SCRIPT = b"""
local revision = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
if revision ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'revision', revision + 1, 'settings', ARGV[2])
return 1
"""


class RedisSite:
    """Keep the site's state for ``RedisStore``; see the protocol ``SiteStore``."""

    _site_prefix: bytes

    def _all(self, *commands: Sequence[Any]) -> list[Any]:
        """Run commands on the site's keys; all their answers."""
        raise AssertionError("RedisStore has it")

    def news(self) -> News:
        prefix = self._site_prefix
        model, settings, epoch = self._all(
            ("GET", prefix + b"model"),
            ("HGET", prefix + b"settings", "revision"),
            ("GET", prefix + b"epoch"),
        )
        return News(int(model or 0), int(settings or 0), int(epoch or 0))

    def bump(self) -> None:
        self._all(("INCR", self._site_prefix + b"epoch"))

    def settings(self) -> tuple[int, bytes | None]:
        [found] = self._all(("HMGET", self._site_prefix + b"settings", "revision", "settings"))
        return int(found[0] or 0), found[1]

    def put_settings(self, expected: int, settings: bytes) -> bool:
        name = self._site_prefix + b"settings"
        [answer] = self._all(("EVAL", SETTINGS_SCRIPT, 1, name, expected, settings))
        return bool(answer == 1)

    def add_audit(self, entry: bytes) -> None:
        name = self._site_prefix + b"audit"
        self._all(("LPUSH", name, entry), ("LTRIM", name, 0, AUDIT_KEPT - 1))

    def audit(self, offset: int, count: int) -> tuple[list[bytes], int]:
        name = self._site_prefix + b"audit"
        first, last = _page(offset, count)
        entries, total = self._all(("LRANGE", name, first, last), ("LLEN", name))
        return list(entries), int(total)

    def rank(self, name: str, entries: Mapping[str, float], gone: Sequence[str] = ()) -> None:
        key = self._site_prefix + b"rank." + name.encode()
        commands: list[Sequence[Any]] = []
        if entries:
            pairs = [part for client, value in entries.items() for part in (repr(value), client)]
            commands.append(("ZADD", key, *pairs))
        if gone:
            commands.append(("ZREM", key, *gone))
        if entries:
            # Last: who is gone makes room.
            commands.append(("ZREMRANGEBYRANK", key, 0, -RANKED - 1))
        if commands:
            self._all(*commands)

    def ranked(self, name: str, offset: int, count: int) -> tuple[list[str], int]:
        key = self._site_prefix + b"rank." + name.encode()
        first, last = _page(offset, count)
        members, total = self._all(("ZRANGE", key, first, last, "REV"), ("ZCARD", key))
        return [member.decode() for member in members], int(total)

    def saw(self, clients: Sequence[str]) -> None:
        if clients:
            self._all(("PFADD", self._site_prefix + b"unique", *clients))

    def unique_clients(self) -> int:
        [count] = self._all(("PFCOUNT", self._site_prefix + b"unique"))
        return int(count)


def _page(offset: int, count: int) -> tuple[int, int]:
    """A page's first and last index; to Redis, a last one of -1 would be that of the whole."""
    return (offset, offset + count - 1) if count > 0 else (1, 0)
