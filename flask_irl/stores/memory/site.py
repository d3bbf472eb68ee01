"""Keep the state of the site in this process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from flask_irl.behaviour.site_counts import MinuteCounts
from flask_irl.stores.history import History
from flask_irl.stores.memory.recent import MemoryRecent
from flask_irl.stores.memory.table import RevisedTable
from flask_irl.stores.memory.unique import UniqueCount
from flask_irl.stores.site import AUDIT_KEPT, MINUTES_KEPT, RANKED, WORKER_SECONDS, Revisions


class MemorySite(MemoryRecent):
    """Keep the state of the site; see the protocol ``SiteStore``.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._epoch = 0
        self._settings: tuple[int, bytes | None] = (0, None)
        self._networks = RevisedTable()
        self._assigned = RevisedTable()
        self._tenants: set[str] = set()
        self._tables: dict[str, tuple[int, bytes | None]] = {}
        self._news: dict[str, deque[bytes]] = {}
        self._audit: deque[bytes] = deque(maxlen=AUDIT_KEPT)
        self._rankings: dict[str, dict[str, float]] = {}
        self._unique = UniqueCount()
        self._rows: deque[bytes] = deque()
        self._counts: Counter[str] = Counter()
        self._minutes: dict[int, MinuteCounts] = {}
        self._workers: dict[str, tuple[float, bytes]] = {}
        self._notes: dict[str, bytes] = {}
        self._leases: dict[str, tuple[str, float]] = {}

    def revisions(self) -> Revisions:
        now = self._clock()
        with self._lock:
            pin = self._pin_at(now)
            settings = self._settings[0]
            networks, campaigns = self._networks.revision, self.table("campaigns")[0]
            assigned = self._assigned.revision
            return Revisions(
                self._version, settings, self._epoch, networks, pin, campaigns, assigned
            )

    def revisions_of(self, stores: Sequence[MemorySite]) -> list[Revisions]:
        return [store.revisions() for store in stores]

    def admit_tenant(self, tenant: str, most: int) -> bool:
        with self._lock:
            if tenant not in self._tenants and len(self._tenants) >= most:
                return False
            self._tenants.add(tenant)
            return True

    def tenants(self) -> list[str]:
        with self._lock:
            return sorted(self._tenants)

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
            return dict(self._networks.values)

    def put_network(self, network: str, override: bytes, most: int) -> bool:
        with self._lock:
            return self._networks.put(network, override, most)

    def drop_networks(self, networks: Sequence[str], expected: int | None = None) -> bool:
        with self._lock:
            return self._networks.drop(networks, expected)

    def assigned(self) -> dict[str, bytes]:
        with self._lock:
            return dict(self._assigned.values)

    def put_assigned(self, client: str, assignment: bytes, most: int) -> bool:
        with self._lock:
            return self._assigned.put(client, assignment, most)

    def drop_assigned(self, clients: Sequence[str], expected: int | None = None) -> bool:
        with self._lock:
            return self._assigned.drop(clients, expected)

    def campaigns(self) -> tuple[int, bytes | None]:
        return self.table("campaigns")

    def put_campaigns(self, expected: int, table: bytes) -> bool:
        return self.put_table("campaigns", expected, table)

    def table(self, name: str) -> tuple[int, bytes | None]:
        return self._tables.get(name, (0, None))

    def put_table(self, name: str, expected: int, table: bytes) -> bool:
        with self._lock:
            if self.table(name)[0] != expected:
                return False
            self._tables[name] = (expected + 1, table)
            return True

    def add_news(self, name: str, news: bytes, most: int) -> None:
        with self._lock:
            kept = self._news.setdefault(name, deque())
            kept.append(news)
            while len(kept) > most:
                kept.popleft()

    def take_news(self, name: str, most: int) -> list[bytes]:
        with self._lock:
            waiting = self._news.get(name, deque())
            return [waiting.popleft() for _ in range(min(most, len(waiting)))]

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

    def add_counts(
        self,
        counts: Mapping[str, int],
        minutes: Mapping[int, MinuteCounts] | None = None,
        history: History | None = None,
    ) -> None:
        with self._lock:
            if history is not None:
                self._add_history(history)
            self._counts.update(counts)
            for minute, added in (minutes or {}).items():
                self._minutes[minute] = added.plus(self._minutes.get(minute, MinuteCounts(0, 0)))
            first = self._clock() // 60 - MINUTES_KEPT
            for old in [minute for minute in self._minutes if minute <= first]:
                del self._minutes[old]

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def minutes(self, wanted: Sequence[int]) -> dict[int, MinuteCounts]:
        first = self._clock() // 60 - MINUTES_KEPT
        with self._lock:
            return {m: self._minutes[m] for m in wanted if m in self._minutes and m > first}

    def tell_worker(self, worker: str, report: bytes) -> None:
        with self._lock:
            self._workers[worker] = (self._clock(), report)

    def workers(self) -> dict[str, bytes]:
        with self._lock:
            now = self._clock()
            self._workers = {
                name: (at, report)
                for name, (at, report) in self._workers.items()
                if abs(now - at) <= WORKER_SECONDS
            }
            return {name: report for name, (_, report) in self._workers.items()}

    def put_note(self, name: str, note: bytes) -> None:
        self._notes[name] = note

    def note(self, name: str) -> bytes | None:
        return self._notes.get(name)

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
