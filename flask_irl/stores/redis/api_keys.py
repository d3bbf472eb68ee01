"""Keep API keys on Redis: each record beside its client's state, and one index of all.

A record is ``<prefix>1.{key:<id>}.api-key``, its uses are ``….api-key-uses``. Their names begin
otherwise than a client's, so that nothing that forgets clients finds them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from flask_irl.api_keys.presented import Seen, StoredKey
from flask_irl.api_keys.text import client_of
from flask_irl.limits.decision import Hit
from flask_irl.limits.plan import Plan
from flask_irl.limits.quota_lease import LeaseCall, Leased
from flask_irl.stores.api_keys import KeyUse
from flask_irl.stores.redis.clients import RedisClients
from flask_irl.stores.redis.commands import HitCommands
from flask_irl.stores.redis.names import api_key_name
from flask_irl.stores.redis.scripts import read_script

PUT: Final = read_script("put_api_key")
ADD_USE: Final = read_script("add_key_use")
STORED: Final = struct.Struct("<Bd?64x")
"""Answer of ``api_key.lua`` before the record."""
STORED_CODE: Final = b"\2"
INDEX: Final = "api-keys"
END: Final = b"\xff"
"""Behind every name that begins with what stands before it: no UTF-8 text has this byte."""


class RedisApiKeys(RedisClients):
    """Keep API keys; see the protocol ``ApiKeyStore``."""

    _prefix: str
    _commands: HitCommands
    _send: Callable[[bytes, bytes], Any]
    _finish: Callable[..., Any]

    def api_key(self, key_id: str) -> StoredKey:
        command = self._commands.pack_api_key(client_of(key_id))
        return cast(StoredKey, self._finish((*command, None, None)))

    def begin_keyed(self, plan: Plan, keys: Sequence[str], cost: int, seen: Seen) -> Any:
        return self._send(*self._commands.pack_keyed(plan, keys, cost, seen))

    def hit_keyed(
        self, plan: Plan, keys: Sequence[str], cost: int, seen: Seen, begun: Any
    ) -> Hit | StoredKey:
        if begun is None:
            begun = (*self._commands.pack_keyed(plan, keys, cost, seen), None, None)
        return cast(Hit | StoredKey, self._finish(begun))

    def _record_key(self, key_id: str) -> bytes:
        return api_key_name(self._prefix, client_of(key_id))

    def begin_keyed_lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, seen: Seen
    ) -> Any:
        return self._send(*self._commands.pack_lease(plan, keys, call, seen))

    def keyed_lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, seen: Seen, begun: Any
    ) -> Leased | StoredKey:
        if begun is None:
            begun = (*self._commands.pack_lease(plan, keys, call, seen), None, None)
        # As for those of other clients: in a slot that moves, the request would wait for the lease.
        pack = self._commands.pack_keyed
        answer = self._finish(begun, lambda: pack(plan, keys, 1, seen)[1])
        return Leased(answer) if isinstance(answer, Hit) else cast(Leased | StoredKey, answer)

    def put_api_key(
        self, key_id: str, expected: bytes, record: bytes, seconds: int | None = None
    ) -> bool:
        key = self._record_key(key_id)
        ttl = b"" if seconds is None else b"%d" % max(seconds, 1)
        command = ("EVAL", PUT.text, 2, key, _uses_key(key), expected, record, ttl)
        return self._pipeline.run([(key, command)], strict=True) == [1]

    def api_key_records(self, key_ids: Sequence[str]) -> list[bytes | None]:
        keys = map(self._record_key, key_ids)
        return self._pipeline.run([(key, ("GET", key)) for key in keys])

    def index_api_key(self, names: Sequence[str], gone: Sequence[str] = ()) -> None:
        [key] = self._site_key(INDEX)
        commands: list[tuple[object, ...]] = []
        if names:
            commands.append(("ZADD", key, *(part for name in names for part in (0, name))))
        if gone:
            commands.append(("ZREM", key, *gone))
        self._write(key, *commands)

    def api_key_names(self, beginning: str, offset: int, count: int) -> tuple[list[str], int]:
        [key] = self._site_key(INDEX)
        begin = beginning.encode(errors="replace")
        first, last = b"[" + begin, b"(" + begin + END
        names, total = self._run(
            ("ZRANGE", key, first, last, "BYLEX", "LIMIT", offset, count),
            ("ZLEXCOUNT", key, first, last),
        )
        return self._texts(key, names), int(total or 0)

    def add_key_uses(self, uses: Mapping[str, KeyUse]) -> None:
        commands = []
        for key_id, use in uses.items():
            key = self._record_key(key_id)
            arguments = (use.requests, use.refused, int(use.last))
            commands.append((key, ("EVALSHA", ADD_USE.sha, 2, key, _uses_key(key), *arguments)))
        self._pipeline.run(commands, ADD_USE)

    def key_uses(self, key_ids: Sequence[str]) -> list[KeyUse]:
        keys = [_uses_key(self._record_key(key_id)) for key_id in key_ids]
        fields = ("requests", "refused", "last")
        answers = self._pipeline.run([(key, ("HMGET", key, *fields)) for key in keys])
        return [
            KeyUse(*(self._whole(key, value) for value in answer or (None, None, None)))
            for key, answer in zip(keys, answers, strict=True)
        ]


def read_stored(answer: bytes) -> StoredKey:
    """Read the answer of ``api_key.lua`` to a request that wasn't counted."""
    _, now, found = STORED.unpack_from(answer)
    return StoredKey(answer[STORED.size :] if found else None, now / 1e6)


def _uses_key(record_key: bytes) -> bytes:
    return record_key + b"-uses"
