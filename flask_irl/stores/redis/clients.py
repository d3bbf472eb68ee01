"""Keep the states of clients on Redis for the background and for operators: many at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from flask_irl.errors import StoreError
from flask_irl.limits.current import Counted
from flask_irl.limits.override import CODES, Override
from flask_irl.limits.plan import Plan
from flask_irl.stores.base import SaveResult
from flask_irl.stores.redis.damage import DamagedError
from flask_irl.stores.redis.scripts import read_script
from flask_irl.stores.redis.site import RedisSite
from flask_irl.stores.redis.state import decode_counted, decode_state
from flask_irl.stores.state import ClientState, Update

SAVE: Final = read_script("save")
RESTORE: Final = read_script("restore")
FORGET: Final = read_script("forget")
OVERRIDE: Final = read_script("override")
GLOB: Final = re.compile(rb"[][*?\\^]")
"""Characters of a key that mean something else in a pattern of keys."""
SCANNED_AT_ONCE: Final = 500
"""Keys that a server looks at before it serves others again."""
RESTORED: Final[dict[int, SaveResult]] = {1: "saved", 0: "stale", -1: "gone"}
SAVED: Final[dict[int, SaveResult]] = {1: "saved", 0: "stale", -1: "gone"}


class RedisClients(RedisSite):
    """Load, save and forget clients' states, and set operators' overrides.

    Attributes:
        _key: Gives the Redis key of a client.
        _peek_names: Gives the Redis keys that a plan counts in, the client's own first.
    """

    _key: Callable[[str], bytes]
    _peek_names: Callable[[Plan, Sequence[str]], list[bytes]]

    def peek_many(self, plan: Plan, clients: Sequence[str]) -> list[Counted]:
        names = [self._peek_names(plan, (client,) * len(plan.scopes)) for client in clients]
        answers = self._pipeline.run([(each[0], ("MGET", *each)) for each in names])
        return [self._counted(plan, *each) for each in zip(names, answers, strict=True)]

    def _counted(self, plan: Plan, names: list[bytes], values: list[bytes | None]) -> Counted:
        try:
            return decode_counted(plan, values)
        except DamagedError as error:
            self._damage.report(names[0], error)
            return decode_counted(plan, [None] * len(names))

    def load(self, clients: Sequence[str]) -> list[ClientState | None]:
        states, error = self.load_reachable(clients)
        if error is not None:
            raise error
        return states

    def load_reachable(
        self, clients: Sequence[str]
    ) -> tuple[list[ClientState | None], StoreError | None]:
        keys = [self._key(client) for client in clients]
        values, error = self._pipeline.run_reachable([(key, ("GET", key)) for key in keys])
        states = [self._decode(key, value) for key, value in zip(keys, values, strict=True)]
        return states, error

    def _decode(self, key: bytes, value: bytes | None) -> ClientState | None:
        try:
            return None if value is None else decode_state(value)
        except DamagedError as error:
            self._damage.report(key, error)
            return None

    def clients(self, prefix: str = "") -> Iterator[list[str]]:
        begin = len(self._key("")) - 1
        for keys in self._pipeline.scan(self._pattern(prefix) + b"*}", SCANNED_AT_ONCE):
            names = (self._text(key, key[begin:-1]) for key in keys)
            yield [name for name in names if name is not None]

    def save(self, updates: Sequence[Update], ttl_seconds: int) -> list[SaveResult]:
        commands = []
        for update in updates:
            key = self._key(update.client)
            ttl = max(ttl_seconds, update.keep_seconds)
            arguments = (update.revision, update.step, repr(update.score), update.profile, ttl)
            commands.append((key, ("EVALSHA", SAVE.sha, 1, key, *arguments)))
        return [SAVED[answer] for answer in self._pipeline.run(commands, SAVE, strict=True)]

    def forget(self, client: str, ttl_seconds: int) -> bool:
        self._drop_recent([client])
        return self._run_on_client(client, FORGET.text, ttl_seconds) == 1

    def snapshot(self, client: str) -> bytes | None:
        key = self._key(client)
        [value] = self._pipeline.run([(key, ("GET", key))])
        state = self._decode(key, value)
        return bytes(value) if state is not None and state.last_seen else None

    def restore(
        self, client: str, snapshot: bytes, revision: int | None, ttl_seconds: int
    ) -> SaveResult:
        expected = -1 if revision is None else revision
        answer: Any = self._run_on_client(client, RESTORE.text, snapshot, expected, ttl_seconds)
        return RESTORED[answer]

    def forget_all(self, ttl_seconds: int) -> int:
        self._drop_all_recent()
        self._drop_all_forgotten()
        # Only the keys of a client's state end in a brace.
        pattern = self._pattern("") + b"*"
        known = 0
        for keys in self._pipeline.scan(pattern, SCANNED_AT_ONCE):
            states = [key for key in keys if key.endswith(b"}")]
            commands = [(key, ("EVALSHA", FORGET.sha, 1, key, ttl_seconds)) for key in states]
            known += self._pipeline.run(commands, FORGET, strict=True).count(1)
            # A scope of its own key has cells without such a state, whose generation voids others.
            self._pipeline.run([(key, ("DEL", key)) for key in keys if not key.endswith(b"}")])
        return known

    def set_override(self, client: str, override: Override | None, ttl_seconds: int) -> None:
        kind, amount, until, ttl = 0, 0, 0.0, ttl_seconds
        if override is not None:
            kind, amount, until = CODES[override.kind], override.amount, override.until
            ttl = max(ttl, int(until - self.now()) + 1)
        self._run_on_client(client, OVERRIDE.text, kind, amount, int(until * 1e6), ttl)

    def _pattern(self, prefix: str) -> bytes:
        """Escape the beginning of the keys of clients that begin with a text."""
        return GLOB.sub(rb"\\\g<0>", self._key(prefix)[:-1])

    def _run_on_client(self, client: str, script: bytes, *arguments: int | bytes) -> object:
        key = self._key(client)
        return self._pipeline.run([(key, ("EVAL", script, 1, key, *arguments))], strict=True)[0]
