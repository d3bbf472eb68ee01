"""The embedded store: one process, no server."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

from flask_irl.errors import StoreError
from flask_irl.limits.admission import decide
from flask_irl.limits.decision import Hit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.strategies.base import EMPTY, Cell
from flask_irl.stores.base import MODELS_KEPT, SaveResult
from flask_irl.stores.memory.site import MemorySite
from flask_irl.stores.state import ClientState, Update

EXPIRED_AT_ONCE = 1000
SKIPPED_AT_ONCE = 100


class _Client:
    __slots__ = ("expires", "last", "override", "profile", "revision", "scopes", "score", "step")

    def __init__(self, revision: int) -> None:
        self.scopes: dict[tuple[str, int], tuple[float, list[Cell]]] = {}
        self.step = 0
        self.score = 0.0
        self.revision = revision
        self.last = 0.0
        self.profile = b""
        self.override: Override | None = None
        self.expires = 0.0


class MemoryStore(MemorySite):
    """State in this process, for at most ``max_clients`` clients; the least recently seen go first.

    Args:
        max_clients: Bound on the clients kept, 1 or more.
        clock: Seconds since the epoch.
    """

    local = True

    def __init__(
        self, *, max_clients: int = 100_000, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self._clock = clock
        self._max_clients = max_clients
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._rows: deque[bytes] = deque()
        self._counts: Counter[str] = Counter()
        self._models: dict[int, bytes] = {}
        self._version = 0
        self._leases: dict[str, tuple[str, float]] = {}
        # Never the same twice: a profile made before a client was forgotten stays out after it.
        self._revisions = itertools.count()
        self._lock = threading.Lock()

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        with self._lock:
            now = float(int(self._clock() * 1e6))
            client = self._touch(keys[0], now, plan.ttl_seconds)
            cells: list[Cell] = []
            places: list[tuple[_Client, tuple[str, int], Scope]] = []
            for scope, key, signature in zip(plan.scopes, keys, plan.signatures, strict=True):
                owner = self._touch(key, now, plan.ttl_seconds) if scope.own_key else client
                name = (scope.name, signature)
                kept = owner.scopes.get(name)
                cells += [EMPTY] * len(scope.limits) if kept is None else kept[1]
                places.append((owner, name, scope))
            gap = now - client.last if client.last else -1.0
            client.last = now
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

    def end(self, begun: object) -> Hit:
        raise StoreError("nothing was begun: this store answers at once")

    def _touch(self, key: str, now: float, ttl_seconds: int) -> _Client:
        client = self._clients.get(key)
        if client is None or client.expires < now:
            client = self._clients[key] = _Client(next(self._revisions))
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
        """Let the least recently seen client go, but an operator's word stay as long as it can."""
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

    def load(self, clients: Sequence[str]) -> list[ClientState | None]:
        now = self._clock() * 1e6
        with self._lock:
            return [
                ClientState(c.step, c.score, c.revision, c.last / 1e6, c.profile, c.override)
                if c is not None and (c.last or c.override) and c.expires >= now
                else None
                for c in map(self._clients.get, clients)
            ]

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
                    client.revision = next(self._revisions)
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
            known = self._clients.pop(client, None)
            if known is None:
                return False
            if known.override is not None:
                # The operator's word stays: it isn't the client's doing.
                self._touch(client, now, ttl_seconds).override = known.override
            return known.last > 0 and known.expires >= now

    def set_override(self, client: str, override: Override | None, ttl_seconds: int) -> None:
        with self._lock:
            now = self._clock() * 1e6
            known = self._touch(client, now, ttl_seconds)
            known.override = override
            self._touch(client, now, ttl_seconds)

    def add_rows(self, rows: Sequence[bytes], capacity: int) -> None:
        with self._lock:
            self._rows.extend(rows)
            while len(self._rows) > capacity:
                self._rows.popleft()

    def rows(self) -> list[bytes]:
        with self._lock:
            return list(self._rows)

    def row_count(self) -> int:
        return len(self._rows)

    def add_counts(self, counts: Mapping[str, int]) -> None:
        with self._lock:
            self._counts.update(counts)

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def model_version(self) -> int:
        return self._version

    def model(self, version: int) -> bytes | None:
        return self._models.get(version)

    def model_versions(self) -> list[int]:
        with self._lock:
            return sorted(self._models, reverse=True)

    def publish(self, expected: int, version: int, blob: bytes) -> bool:
        with self._lock:
            if self._version != expected:
                return False
            self._models[version] = blob
            self._version = version
            for old in sorted(self._models, reverse=True)[MODELS_KEPT:]:
                del self._models[old]
            return True

    def activate(self, version: int) -> bool:
        with self._lock:
            if version not in self._models:
                return False
            self._version = version
            return True

    def take_lease(self, name: str, owner: str, seconds: float) -> bool:
        now = self._clock()
        with self._lock:
            holder, until = self._leases.get(name, ("", 0.0))
            if holder not in ("", owner) and until > now:
                return False
            self._leases[name] = (owner, now + seconds)
            return True

    def release_lease(self, name: str, owner: str) -> None:
        with self._lock:
            if self._leases.get(name, ("", 0.0))[0] == owner:
                del self._leases[name]

    def expire(self) -> int:
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

    def after_fork(self) -> None:
        # The lock may have been held by a thread that isn't here.
        self._lock = threading.Lock()

    def close(self) -> None:
        return

    def __len__(self) -> int:
        return len(self._clients)
