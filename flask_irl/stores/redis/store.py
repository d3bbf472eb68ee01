"""Keep the state of clients on Redis 7 or Valkey: one script call per request.

A client's state is one key ``<prefix>1:{<client>}``, packed as ``state.py`` says. The cells of each
further scope are a key ``<prefix>1:{<client>}:<scope>``, so that all of a client's keys share a
slot of a cluster. The 1 is the format's version.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from redis.exceptions import MovedError, NoScriptError, ResponseError

from flask_irl.errors import StoreError
from flask_irl.limits.current import Counted
from flask_irl.limits.decision import Hit
from flask_irl.limits.override import CODES, Override
from flask_irl.limits.plan import Plan
from flask_irl.limits.quota_lease import EndedLease, LeaseCall, Leased
from flask_irl.stores.base import SaveResult
from flask_irl.stores.location import Location
from flask_irl.stores.redis.commands import HIT, LEASED, REPLY, HitCommands, bulk, with_text
from flask_irl.stores.redis.damage import DamagedError, DamageLog
from flask_irl.stores.redis.errors import store_error
from flask_irl.stores.redis.pipeline import Pipeline
from flask_irl.stores.redis.pool import Pool
from flask_irl.stores.redis.scripts import read_script
from flask_irl.stores.redis.server_info import read_server_info
from flask_irl.stores.redis.servers import Servers
from flask_irl.stores.redis.site import RedisSite
from flask_irl.stores.redis.state import decode_counted, decode_state
from flask_irl.stores.redis.wire import Wire
from flask_irl.stores.site import ServerInfo
from flask_irl.stores.state import ClientState, Update

SAVE: Final = read_script("save")
FORGET: Final = read_script("forget")
OVERRIDE: Final = read_script("override")
ASK_FOR_STRUCT: Final = b"*3\r\n$4\r\nEVAL\r\n" + bulk(b"return type(struct)") + bulk(b"0")
LACKS_STRUCT: Final = (
    "the server's Lua has no struct, which the scripts need: "
    "take Redis or Valkey themselves, or memory://"
)
GLOB: Final = re.compile(rb"[][*?\\^]")
"""Characters of a key that mean something else in a pattern of keys."""
SCANNED_AT_ONCE: Final = 500
"""Keys that a server looks at before it serves others again."""
SAVED: Final[dict[int, SaveResult]] = {1: "saved", 0: "stale", -1: "gone"}

_Pending = tuple[bytes, bytes, Pool | None, Wire | None]
"""A request: the client's key, the packed command, and the wire if it was sent on one. (A plain
tuple costs half of a named one.)"""


class RedisStore(RedisSite):
    """Keep state on Redis, shared by all workers and hosts with the same server and prefix.

    Args:
        location: The servers.
        prefix: Begins every key.
        timeout: Seconds that a call on a request's path may take in all.
        options: Further keyword arguments of redis-py's connections.
        clock: Seconds since the epoch, for tests; None for the server's time.
    """

    local = False

    def __init__(
        self,
        location: Location,
        *,
        prefix: str = "irl",
        timeout: float = 0.05,
        options: Mapping[str, Any] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        damage = DamageLog()
        self._servers = Servers(location, options or {}, timeout, REPLY.size)
        super().__init__(Pipeline(self._servers, damage), prefix, damage, clock)
        self.kind: str = "redis" if location.kind == "single" else location.kind
        self.address = location.address
        self._timeout = timeout
        self._has_struct = False
        commands = HitCommands(prefix, clock)
        self._pack = commands.pack
        self._pack_lease = commands.pack_lease
        self._pack_ended = commands.pack_ended
        self._pack_peek = commands.pack_peek
        self._key = commands.client_key

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        return self._finish((*self._pack(plan, keys, cost), None, None))

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> _Pending | None:
        if not self._servers.ready:
            return None
        client, command = self._pack(plan, keys, cost)
        # No deadline: the servers are known, so that none are searched for.
        pool = self._servers.of(client, 0.0)
        wire = pool.begin(command)
        return None if wire is None else (client, command, pool, wire)

    def begin_lease(self, plan: Plan, keys: Sequence[str], call: LeaseCall) -> _Pending | None:
        if not self._servers.ready:
            return None
        client, command = self._pack_lease(plan, keys, call)
        pool = self._servers.of(client, 0.0)
        wire = pool.begin(command)
        return None if wire is None else (client, command, pool, wire)

    def lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, begun: _Pending | None
    ) -> Leased:
        pending = begun or (*self._pack_lease(plan, keys, call), None, None)
        return cast(Leased, self._finish(pending))

    def give_back(self, leases: Sequence[EndedLease]) -> None:
        self._pipeline.run([self._pack_ended(lease) for lease in leases], HIT)

    def _finish(self, pending: _Pending) -> Hit:
        """Read the answer to a request, which is sent now unless it was sent on a wire."""
        client, command, pool, wire = pending
        # One deadline for all that follows: to find the server, to connect, each call and read.
        deadline = time.monotonic() + self._timeout
        try:
            pool = pool or self._servers.of(client, deadline)
            try:
                if wire is None:
                    answer = pool.call(command, deadline)
                else:
                    answer = pool.end(wire, command, deadline)
            except ResponseError as error:
                answer = self._repeat(error, pool, command, deadline)
        except ResponseError as error:
            raise store_error(error) from error
        except StoreError:
            self._servers.report_failure()
            raise
        try:
            fields = REPLY.unpack(answer)
        except struct.error:
            return cast(Hit, self._longer(client, answer))
        # As Hit._make, but without a call of Python's.
        return tuple.__new__(Hit, fields)

    end = _finish

    def _longer(self, client: bytes, answer: bytes) -> Hit | Leased:
        """Read the answer to a request that asked for a lease, or whose script met damage."""
        # One byte more says that the script met a damaged value.
        if len(answer) in (REPLY.size + 1, LEASED.size + 1):
            self._damage.report(client, "a damaged value was replaced")
        if len(answer) < LEASED.size:
            return Hit(*REPLY.unpack_from(answer))
        *fields, units, lasts, counted, start = LEASED.unpack_from(answer)
        return Leased(Hit(*fields), units, lasts, counted, start)

    def _repeat(self, error: ResponseError, pool: Pool, command: bytes, deadline: float) -> Any:
        """Repeat a call that met a script not loaded or a slot that moved; raise other errors."""
        if isinstance(error, NoScriptError):
            # A server that only resembles Redis tells of what it lacks in errors that nobody
            # understands.
            if not self._has_struct:
                if pool.call(ASK_FOR_STRUCT, deadline) != b"table":
                    raise StoreError(LACKS_STRUCT, kind="response")
                self._has_struct = True
            return pool.call(with_text(command), deadline)
        if isinstance(error, MovedError):
            return self._servers.redirect(error, pool).call(with_text(command), deadline)
        raise error

    def peek(self, plan: Plan, keys: Sequence[str]) -> Counted:
        client, command = self._pack_peek(plan, keys)
        deadline = time.monotonic() + self._timeout
        # Not by one function with the request's own call: that one is on every request's path.
        try:
            pool = self._servers.of(client, deadline)
            try:
                values = pool.call(command, deadline)
            except ResponseError as error:
                values = self._repeat(error, pool, command, deadline)
        except ResponseError as error:
            raise store_error(error) from error
        except StoreError:
            self._servers.report_failure()
            raise
        try:
            return decode_counted(plan, values)
        except DamagedError as error:
            self._damage.report(client, error)
            return decode_counted(plan, [None] * len(values))

    def ping(self) -> None:
        self._servers.refresh()
        self._run(("PING",))

    def server(self) -> ServerInfo:
        return read_server_info(self._servers.all())

    def load(self, clients: Sequence[str]) -> list[ClientState | None]:
        keys = [self._key(client) for client in clients]
        values = self._pipeline.run([(key, ("GET", key)) for key in keys])
        return [self._decode(key, value) for key, value in zip(keys, values, strict=True)]

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
        return self._run_on_client(client, FORGET.text, ttl_seconds) == 1

    def forget_all(self, ttl_seconds: int) -> int:
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

    def _run_on_client(self, client: str, script: bytes, *arguments: int) -> object:
        key = self._key(client)
        return self._pipeline.run([(key, ("EVAL", script, 1, key, *arguments))], strict=True)[0]

    def expire(self) -> int:
        return 0

    def after_fork(self) -> None:
        self._servers.forget()

    def close(self) -> None:
        self._servers.close()
