"""Keep the state of clients on Redis 7 or Valkey: one script call per request.

A client's state is one key ``<prefix>1:{<client>}``, packed as ``state.py`` says. The cells of each
further scope are a key ``<prefix>1:{<client>}:<scope>``, so that all of a client's keys share a
slot of a cluster. The 1 is the format's version.
"""

from __future__ import annotations

import copy
import logging
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from flask_irl.errors import StoreError
from flask_irl.limits.current import Counted
from flask_irl.limits.decision import Hit
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.quota_lease import EndedLease, LeaseCall, Leased
from flask_irl.stores.location import Location
from flask_irl.stores.redis.answers import read_longer
from flask_irl.stores.redis.api_keys import RedisApiKeys
from flask_irl.stores.redis.commands import HIT, REPLY, HitCommands, bulk
from flask_irl.stores.redis.connect_options import sort_options
from flask_irl.stores.redis.damage import DamagedError, ServerDamage
from flask_irl.stores.redis.errors import LACKS_STRUCT
from flask_irl.stores.redis.exceptions import AskError, NoScriptError, ResponseError
from flask_irl.stores.redis.pipeline import Pipeline
from flask_irl.stores.redis.pool import Pool
from flask_irl.stores.redis.redirection import follow
from flask_irl.stores.redis.scripts import read_script
from flask_irl.stores.redis.server_info import read_server_info
from flask_irl.stores.redis.servers import Servers
from flask_irl.stores.redis.slots import key_slot
from flask_irl.stores.redis.state import decode_counted
from flask_irl.stores.redis.values import site_prefix
from flask_irl.stores.redis.wire import Wire
from flask_irl.stores.server import ServerInfo
from flask_irl.telemetry.events import Notify
from flask_irl.telemetry.log import event

ASK_FOR_STRUCT: Final = b"*3\r\n$4\r\nEVAL\r\n" + bulk(b"return type(struct)") + bulk(b"0")
ADMIT_TENANT: Final = read_script("admit_tenant")
PROBE: Final = Plan((Scope("", (Limit(1, 1),)),), "fixed-window", (1.0,), ttl_seconds=2)
"""A plan under which nothing is counted."""

_Pending = tuple[bytes, bytes, Pool | None, Wire | None]
"""A request: the client's key, the packed command, and the wire if it was sent on one. (A plain
tuple costs half of a named one.)"""


class RedisStore(RedisApiKeys):
    """Keep state on Redis, shared by all workers and hosts with the same server and prefix.

    Args:
        location: The servers.
        prefix: Begins every key.
        timeout: Seconds that a call on a request's path may take in all.
        options: Further options of redis-py's; those without a meaning here are named in the log.
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
        connect, unused = sort_options({**location.connect, **(options or {})}, location.kind)
        if unused:
            event(logging.WARNING, "storage_options_unused", options=", ".join(unused))
        self._servers = Servers(
            location,
            connect,
            timeout,
            REPLY.size,
            probe=self._probe,
            probe_key=lambda number: self._key(_probe_client(number)),
        )
        self._outages = self._servers.outages
        self._owns_servers = True
        self._use(prefix, clock)
        self.kind: str = "redis" if location.kind == "single" else location.kind
        self.address = location.address
        self._timeout = timeout
        self._has_struct = False

    def _use(self, prefix: str, clock: Callable[[], float] | None) -> None:
        """Have all keys begin with a prefix."""
        damage = ServerDamage(site_prefix(prefix))
        super().__init__(Pipeline(self._servers, damage), prefix, damage, clock)
        commands = HitCommands(prefix, clock)
        self._pack = commands.pack
        self._pack_ended = commands.pack_ended
        self._pack_peek = commands.pack_peek
        self._peek_names = commands.peek_names
        self._commands: HitCommands = commands
        self._prefix = prefix
        self._key: Callable[[str], bytes] = commands.client_key

    def within(self, prefix: str) -> RedisStore:
        part = copy.copy(self)
        part._owns_servers = False
        part._use(prefix, self._clock)
        return part

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        return self._finish((*self._pack(plan, keys, cost), None, None))

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> _Pending | None:
        if not self._servers.ready:
            return None
        client, command = self._pack(plan, keys, cost)
        try:
            # No deadline: the servers are known, so that none are searched for.
            pool = self._servers.of(client, 0.0)
        except StoreError:
            # Whoever asks now is told.
            return None
        wire = pool.begin(command)
        return None if wire is None else (client, command, pool, wire)

    def begin_lease(self, plan: Plan, keys: Sequence[str], call: LeaseCall) -> _Pending | None:
        return self._send(*self._commands.pack_lease(plan, keys, call))

    def _send(self, client: bytes, command: bytes) -> _Pending | None:
        if not self._servers.ready:
            return None
        try:
            pool = self._servers.of(client, 0.0)
        except StoreError:
            return None
        wire = pool.begin(command)
        return None if wire is None else (client, command, pool, wire)

    def lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, begun: _Pending | None
    ) -> Leased:
        pending = begun or (*self._commands.pack_lease(plan, keys, call), None, None)
        # The key of leases comes and goes: in a slot that moves, the request would wait for it.
        hit = self._finish(pending, lambda: self._pack(plan, keys, 1)[1])
        return hit if isinstance(hit, Leased) else Leased(hit)

    def give_back(self, leases: Sequence[EndedLease]) -> None:
        self._pipeline.run([self._pack_ended(lease) for lease in leases], HIT)

    def _finish(self, pending: _Pending, alone: Callable[[], bytes] | None = None) -> Hit:
        """Read the answer to a request, which is sent now unless it was sent on a wire."""
        client, command, pool, wire = pending
        servers = self._servers
        # One deadline for all that follows: to find the server, to connect, each call and read.
        deadline = time.monotonic() + self._timeout
        try:
            pool = pool or servers.of(client, deadline)
            try:
                if wire is None:
                    answer = pool.call(command, deadline)
                else:
                    answer = pool.end(wire, command, deadline)
            except ResponseError as error:
                answer = self._repeat(error, pool, client, command, deadline, alone)
        except StoreError as error:
            servers.report_failure(error)
            raise
        if self._outages.any:
            self._outages.worked(key_slot(client), pool)
        try:
            fields = REPLY.unpack(answer)
        except struct.error:
            return cast(Hit, read_longer(client, answer, self._damage))
        # As Hit._make, but without a call of Python's.
        return tuple.__new__(Hit, fields)

    end = _finish

    def _repeat(
        self,
        error: ResponseError,
        pool: Pool,
        client: bytes,
        command: bytes,
        deadline: float,
        alone: Callable[[], bytes] | None = None,
    ) -> Any:
        """Repeat a call that met a script not loaded, or a slot that has moved or is about to."""
        try:
            if isinstance(error, NoScriptError) and not self._has_struct:
                # A server that only resembles Redis tells of what it lacks in errors that nobody
                # understands.
                if pool.call(ASK_FOR_STRUCT, deadline) != b"table":
                    raise StoreError(LACKS_STRUCT, kind="response")
                self._has_struct = True
            return follow(error, self._servers, pool, client, command, deadline, alone)
        except ResponseError as last:
            raise self._servers.refused(client, pool, last) from last

    def report_damage(self, notify: Notify) -> None:
        self._damage.report_to(notify)

    def peek(self, plan: Plan, keys: Sequence[str]) -> Counted:
        client, command = self._pack_peek(plan, keys)
        values = self._ask(client, command)
        try:
            return decode_counted(plan, values)
        except DamagedError as error:
            self._damage.report(client, error)
            return decode_counted(plan, [None] * len(values))

    def admit_tenant(self, tenant: str, most: int) -> bool:
        [key] = self._site_key("tenants")
        words = (b"EVAL", ADMIT_TENANT.text, b"1", key, tenant.encode(), b"%d" % most)
        return bool(self._ask(key, b"*%d\r\n" % len(words) + b"".join(map(bulk, words))) == 1)

    def _ask(self, key: bytes, command: bytes) -> Any:
        """Call a key's server on a request's way, within its time; not the request's own call."""
        deadline = time.monotonic() + self._timeout
        try:
            pool = self._servers.of(key, deadline)
            try:
                return pool.call(command, deadline)
            except ResponseError as error:
                return self._repeat(error, pool, key, command, deadline)
        except StoreError as error:
            self._servers.report_failure(error)
            raise

    def _probe(self, pool: Pool, number: int) -> None:
        """Raise while a node of a cluster can't count; the number gives a key of its own."""
        client, command = self._pack(PROBE, (_probe_client(number),), 0)
        deadline = time.monotonic() + self._timeout
        try:
            pool.call(command, deadline)
        except AskError:
            # It answers well.
            return
        except NoScriptError as error:
            follow(error, self._servers, pool, client, command, deadline)

    def ping(self) -> None:
        self._servers.refresh()
        self._run(("PING",))

    def renew(self) -> None:
        # The next calls connect to where names point by then.
        for pool in self._servers.known():
            pool.renew()

    def server(self) -> ServerInfo:
        return read_server_info(self._servers.all())

    def expire(self) -> int:
        return 0

    def after_fork(self) -> None:
        if self._owns_servers:
            self._servers.forget()

    def leave(self) -> None:
        for pool in self._servers.known() if self._owns_servers else ():
            pool.leave()

    def close(self) -> None:
        if self._owns_servers:
            self._servers.close()


def _probe_client(number: int) -> str:
    """Name one of many clients that there can't be, for a key on each node of a cluster."""
    return f"#probe{number}"
