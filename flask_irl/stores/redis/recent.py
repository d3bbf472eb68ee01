"""Keep clients' recent requests on Redis.

Each client has a list ``<prefix>1.{<client>}.recent``, the latest first, beside its state; the site
has a sorted set of those clients by their latest request, so that their number is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flask_irl.behaviour.recent import MOST_KEPT
from flask_irl.stores.recent import RecentBounds, RecentRequests
from flask_irl.stores.redis.kept import RedisKept
from flask_irl.stores.redis.names import recent_name
from flask_irl.stores.redis.scripts import read_script

ADD_RECENT: Final = read_script("add_recent")
CLIENTS: Final = "recent-clients"
DROPPED_AT_ONCE: Final = 500


class RedisRecent(RedisKept):
    """Keep clients' recent requests; see the protocol ``RecentStore``.

    Attributes:
        _prefix: Begins every key.
    """

    _prefix: str

    def add_recent(self, requests: RecentRequests, bounds: RecentBounds) -> None:
        if not requests:
            return
        oldest = self.now() - bounds.seconds
        commands = []
        for client, added in requests.items():
            key = recent_name(self._prefix, client)
            entries = [request.encode() for request in added[-bounds.each :]]
            arguments = (bounds.each, bounds.seconds, repr(oldest), *entries)
            commands.append((key, ("EVALSHA", ADD_RECENT.sha, 1, key, *arguments)))
        self._pipeline.run(commands, ADD_RECENT)
        self._bound_clients(requests, bounds, oldest)

    def recent(self, client: str) -> list[bytes]:
        key = recent_name(self._prefix, client)
        [entries] = self._pipeline.run([(key, ("LRANGE", key, 0, MOST_KEPT - 1))])
        return list(entries or ())

    def _bound_clients(self, requests: RecentRequests, bounds: RecentBounds, oldest: float) -> None:
        """Note the clients, and drop those that came first where there are too many."""
        [key] = self._site_key(CLIENTS)
        times = ((repr(added[-1].at), client) for client, added in requests.items())
        pairs = [part for pair in times for part in pair]
        *_, count, old = self._write(
            key,
            ("ZADD", key, *pairs),
            ("EXPIRE", key, bounds.seconds),
            ("ZCARD", key),
            ("ZRANGE", key, "-inf", repr(oldest), "BYSCORE", "LIMIT", 0, DROPPED_AT_ONCE),
        )
        if old:
            self._drop_members(old)
        # Far too many may be there, if somebody else has written them: the rest goes later.
        left = int(count or 0) - len(old or ())
        excess = min(left - bounds.clients, len(requests) + DROPPED_AT_ONCE)
        while excess > 0:
            last = min(excess, DROPPED_AT_ONCE) - 1
            first, count = self._run(("ZRANGE", key, 0, last), ("ZCARD", key))
            # Other workers drop, too: what they have dropped is too many no more.
            first = (first or [])[: max(int(count or 0) - bounds.clients, 0)]
            if not first:
                break
            self._drop_members(first)
            excess -= len(first)

    def _drop_recent(self, clients: list[str]) -> None:
        """Forget the requests of clients."""
        self._drop_members([client.encode() for client in clients])

    def _drop_members(self, members: Sequence[bytes]) -> None:
        """Forget the requests of clients, by their names in the set; damaged names go, too."""
        [key] = self._site_key(CLIENTS)
        keys = [recent_name(self._prefix, client) for client in self._texts(key, members)]
        self._pipeline.run([(each, ("DEL", each)) for each in keys])
        self._write(key, ("ZREM", key, *members))

    def _drop_all_recent(self) -> None:
        """Forget the requests of all clients."""
        [key] = self._site_key(CLIENTS)
        while members := self._run(("ZRANGE", key, 0, DROPPED_AT_ONCE - 1))[0]:
            self._drop_members(members)
        self._run(("DEL", key))
