"""Keep the state of clients in this process, without a server."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from flask_irl.errors import StoreError
from flask_irl.limits.admission import count_alone, decide
from flask_irl.limits.current import Counted
from flask_irl.limits.decision import Hit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.quota_lease import EndedLease, LeaseCall, Leased
from flask_irl.limits.strategies.base import EMPTY, Cell
from flask_irl.stores.base import SaveResult
from flask_irl.stores.memory.api_keys import MemoryApiKeys
from flask_irl.stores.memory.client import NONE_YET, MemoryClient, ScopeKey
from flask_irl.stores.memory.site import MemorySite
from flask_irl.stores.server import ServerInfo
from flask_irl.stores.state import ClientState, Update
from flask_irl.telemetry.events import Notify

EXPIRED_AT_ONCE: Final = 1000
"""Clients looked at while requests wait for the lock."""
PART: Final = 10
"""Each part of the store has room for a tenth of its clients."""
SKIPPED_AT_ONCE: Final = 100
"""Clients with an override that one eviction spares at most."""


class MemoryStore(MemoryApiKeys, MemorySite):
    """Keep the state of the most recently seen clients in this process.

    Args:
        max_clients: Bound on the number of clients, 1 or more.
        clock: Seconds since the epoch.
    """

    local = True
    kind = "memory"
    address = "memory://"

    def __init__(
        self, *, max_clients: int = 100_000, clock: Callable[[], float] = time.time
    ) -> None:
        MemorySite.__init__(self, clock)
        MemoryApiKeys.__init__(self)
        self._max_clients = max_clients
        self._clients: OrderedDict[str, MemoryClient] = OrderedDict()
        # No revision comes twice: a profile from before a client was forgotten stays out.
        self._next_revision = itertools.count()
        self._parts: dict[str, MemoryStore] = {}

    def within(self, prefix: str) -> MemoryStore:
        with self._lock:
            part = self._parts.get(prefix)
            if part is None:
                most = max(1, self._max_clients // PART)
                part = self._parts[prefix] = MemoryStore(max_clients=most, clock=self._clock)
            return part

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        with self._lock:
            now = float(int(self._clock() * 1e6))
            client = self._touch(keys[0], now, plan.ttl_seconds)
            gap = now - client.last if client.last else -1.0
            client.last = now
            if plan.alone is not None and client.override is None:
                name = (plan.scopes[0].name, plan.signatures[0])
                (cell,) = client.scopes.get(name, NONE_YET)[1]
                counted = count_alone(plan, cell, client.step, client.score, now, gap, cost)
                if counted is not None:
                    client.scopes[name] = (now + plan.ttl_seconds * 1e6, [counted[1]])
                    return counted[0]
            cells: list[Cell] = []
            places: list[tuple[MemoryClient, ScopeKey, Scope]] = []
            for scope, key, signature in zip(plan.scopes, keys, plan.signatures, strict=True):
                owner = self._touch(key, now, plan.ttl_seconds) if scope.own_key else client
                name = (scope.name, signature)
                entry = owner.scopes.get(name)
                cells += [EMPTY] * len(scope.limits) if entry is None else entry[1]
                places.append((owner, name, scope))
            hit, after = decide(
                plan,
                cells,
                step=client.step,
                score=client.score,
                now=now,
                gap=gap,
                cost=cost,
                override=client.override,
            )
            if after is not cells:
                start = 0
                for owner, name, scope in places:
                    end = start + len(scope.limits)
                    owner.scopes[name] = (now + plan.ttl_seconds * 1e6, after[start:end])
                    start = end
        return hit

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> None:
        return

    def end(self, pending: object) -> Hit:
        raise StoreError("nothing was begun: this store answers at once")

    def begin_lease(self, plan: Plan, keys: Sequence[str], call: LeaseCall) -> None:
        return

    def lease(self, plan: Plan, keys: Sequence[str], call: LeaseCall, begun: object) -> Leased:
        # Nothing is far from here, so that nothing is gained by a lease.
        return Leased(self.hit(plan, keys, 1))

    def give_back(self, leases: Sequence[EndedLease]) -> None:
        return

    def peek(self, plan: Plan, keys: Sequence[str]) -> Counted:
        with self._lock:
            now = self._clock() * 1e6
            cells: list[Cell] = []
            for scope, key, signature in zip(plan.scopes, keys, plan.signatures, strict=True):
                owner = self._living(key if scope.own_key else keys[0], now)
                entry = None if owner is None else owner.scopes.get((scope.name, signature))
                cells += [EMPTY] * len(scope.limits) if entry is None else entry[1]
            client = self._living(keys[0], now)
        if client is None:
            return Counted(0, None, cells)
        return Counted(client.step, client.override, cells)

    def peek_many(self, plan: Plan, clients: Sequence[str]) -> list[Counted]:
        return [self.peek(plan, (client,) * len(plan.scopes)) for client in clients]

    def _living(self, key: str, now: float) -> MemoryClient | None:
        client = self._clients.get(key)
        return None if client is None or client.expires < now else client

    def _touch(self, key: str, now: float, ttl_seconds: int) -> MemoryClient:
        """Give a client's state, made now if there is none, and prolong its time."""
        client = self._clients.get(key)
        if client is None or client.expires < now:
            client = self._clients[key] = MemoryClient(next(self._next_revision))
            self._clients.move_to_end(key)
            if len(self._clients) > self._max_clients:
                self._evict(now)
        else:
            self._clients.move_to_end(key)
        client.expires = now + ttl_seconds * 1e6
        if client.override is not None:
            client.expires = max(client.expires, client.override.until * 1e6)
        return client

    def _evict(self, now: float) -> None:
        """Drop the least recently seen client; overrides stay as long as possible."""
        for _ in range(SKIPPED_AT_ONCE):
            key = next(iter(self._clients))
            override = self._clients[key].override
            if override is None or override.until * 1e6 < now:
                break
            self._clients.move_to_end(key)
        self._clients.popitem(last=False)

    def now(self) -> float:
        return self._clock()

    def ping(self) -> None:
        return

    def renew(self) -> None:
        return

    def server(self) -> ServerInfo:
        return ServerInfo()

    def load(self, clients: Sequence[str]) -> list[ClientState | None]:
        now = self._clock() * 1e6
        with self._lock:
            return [
                ClientState(c.step, c.score, c.revision, c.last / 1e6, c.profile, c.override)
                if c is not None and (c.last or c.override) and c.expires >= now
                else None
                for c in map(self._clients.get, clients)
            ]

    def load_reachable(
        self, clients: Sequence[str]
    ) -> tuple[list[ClientState | None], StoreError | None]:
        return self.load(clients), None

    def clients(self, prefix: str = "") -> Iterator[list[str]]:
        with self._lock:
            keys = list(self._clients)
        for start in range(0, len(keys), EXPIRED_AT_ONCE):
            yield [key for key in keys[start : start + EXPIRED_AT_ONCE] if key.startswith(prefix)]

    def save(self, updates: Sequence[Update], ttl_seconds: int) -> list[SaveResult]:
        results: list[SaveResult] = []
        with self._lock:
            now = self._clock()
            for update in updates:
                client = self._clients.get(update.client)
                if client is None:
                    results.append("gone")
                elif client.revision != update.revision:
                    results.append("stale")
                else:
                    client.revision = next(self._next_revision)
                    client.step = update.step
                    client.score = update.score
                    client.profile = update.profile
                    live = max(ttl_seconds, update.keep_seconds)
                    client.expires = max(client.expires, (now + live) * 1e6)
                    results.append("saved")
        return results

    def forget(self, client: str, ttl_seconds: int) -> bool:
        with self._lock:
            now = self._clock() * 1e6
            self._recent.pop(client, None)
            state = self._clients.pop(client, None)
            if state is None:
                return False
            if state.override is not None:
                # An operator's override stays: it is not the client's doing.
                self._touch(client, now, ttl_seconds).override = state.override
            return state.last > 0 and state.expires >= now

    def forget_all(self, ttl_seconds: int) -> int:
        with self._lock:
            keys = list(self._clients)
            self._recent.clear()
            self._forgotten.clear()
        return sum(self.forget(key, ttl_seconds) for key in keys)

    def set_override(self, client: str, override: Override | None, ttl_seconds: int) -> None:
        with self._lock:
            now = self._clock() * 1e6
            self._touch(client, now, ttl_seconds).override = override
            self._touch(client, now, ttl_seconds)

    def snapshot(self, client: str) -> bytes | None:
        with self._lock:
            state = self._living(client, self._clock() * 1e6)
            return state.snapshot() if state is not None and state.last else None

    def restore(
        self, client: str, snapshot: bytes, revision: int | None, ttl_seconds: int
    ) -> SaveResult:
        with self._lock:
            now = self._clock() * 1e6
            state = self._living(client, now)
            if (state.revision if state is not None and state.last else None) != revision:
                return "stale"
            state = self._touch(client, now, ttl_seconds)
            state.revision = next(self._next_revision)
            return "saved" if state.restore(snapshot) else "gone"

    def expire(self) -> int:
        self._drop_ended()
        self._drop_all_old()
        with self._lock:
            keys = list(self._clients)
        gone = 0
        # A little at a time: requests wait for the lock.
        for start in range(0, len(keys), EXPIRED_AT_ONCE):
            with self._lock:
                now = self._clock() * 1e6
                for key in keys[start : start + EXPIRED_AT_ONCE]:
                    client = self._clients.get(key)
                    if client is None:
                        continue
                    if client.expires < now:
                        del self._clients[key]
                        gone += 1
                        continue
                    for name in [n for n, (until, _) in client.scopes.items() if until < now]:
                        del client.scopes[name]
        return gone

    def report_damage(self, notify: Notify) -> None:
        return

    def after_fork(self) -> None:
        # A thread of the parent process may have held the lock.
        self._lock = threading.Lock()

    def leave(self) -> None:
        return

    def close(self) -> None:
        return

    def __len__(self) -> int:
        """Count the clients."""
        return len(self._clients)
