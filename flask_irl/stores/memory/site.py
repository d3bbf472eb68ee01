"""Keep the state of the site in this process."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from flask_irl.stores.memory.unique import UniqueCount
from flask_irl.stores.site import AUDIT_KEPT, MODELS_KEPT, RANKED, Revisions


class MemorySite:
    """Keep the state of the site; see the protocol ``SiteStore``.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._epoch = 0
        self._settings: tuple[int, bytes | None] = (0, None)
        self._networks: dict[str, bytes] = {}
        self._networks_revision = 0
        self._audit: deque[bytes] = deque(maxlen=AUDIT_KEPT)
        self._rankings: dict[str, dict[str, float]] = {}
        self._unique = UniqueCount()
        self._rows: deque[bytes] = deque()
        self._counts: Counter[str] = Counter()
        self._models: dict[int, bytes] = {}
        self._version = 0
        self._leases: dict[str, tuple[str, float]] = {}

    def revisions(self) -> Revisions:
        return Revisions(self._version, self._settings[0], self._epoch, self._networks_revision)

    def advance_epoch(self) -> None:
        with self._lock:
            self._epoch += 1

    def settings(self) -> tuple[int, bytes | None]:
        return self._settings

    def put_settings(self, expected: int, settings: bytes) -> bool:
        with self._lock:
            if self._settings[0] != expected:
                return False
            self._settings = (expected + 1, settings)
            return True

    def networks(self) -> dict[str, bytes]:
        with self._lock:
            return dict(self._networks)

    def put_network(self, network: str, override: bytes, most: int) -> bool:
        with self._lock:
            if network not in self._networks and len(self._networks) >= most:
                return False
            self._networks[network] = override
            self._networks_revision += 1
            return True

    def drop_networks(self, networks: Sequence[str], expected: int | None = None) -> bool:
        with self._lock:
            if expected is not None and expected != self._networks_revision:
                return False
            dropped = [network for network in networks if self._networks.pop(network, None)]
            self._networks_revision += bool(dropped)
            return True

    def add_audit(self, entry: bytes) -> None:
        with self._lock:
            self._audit.appendleft(entry)

    def audit(self, offset: int, count: int) -> tuple[list[bytes], int]:
        with self._lock:
            return list(self._audit)[offset : offset + count], len(self._audit)

    def rank(self, name: str, entries: Mapping[str, float], gone: Sequence[str] = ()) -> None:
        with self._lock:
            ranking = self._rankings.setdefault(name, {})
            ranking.update(entries)
            for client in gone:
                ranking.pop(client, None)
            # Sorted now and then only: a flush adds a few clients.
            if len(ranking) > 2 * RANKED:
                highest = _highest_first(ranking)
                self._rankings[name] = {client: ranking[client] for client in highest}

    def ranked(
        self, name: str, offset: int, count: int, least: float | None = None
    ) -> tuple[list[str], int]:
        with self._lock:
            ranking = self._rankings.get(name, {})
            order = _highest_first(ranking)
            if least is not None:
                order = [client for client in order if ranking[client] >= least]
        return order[offset : offset + count], len(order)

    def count_unique(self, clients: Sequence[str]) -> None:
        with self._lock:
            for client in clients:
                self._unique.add(client)

    def unique_clients(self) -> int:
        with self._lock:
            return self._unique.estimate()

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


def _highest_first(ranking: Mapping[str, float]) -> list[str]:
    """Sort the clients that a ranking keeps; equals by name backwards, as Redis does."""
    return sorted(ranking, key=lambda client: (ranking[client], client), reverse=True)[:RANKED]
