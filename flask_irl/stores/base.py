"""Define the protocol between the limiter and the state of clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol

from flask_irl.errors import StoreError
from flask_irl.limits.current import Counted
from flask_irl.limits.decision import Hit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan
from flask_irl.limits.quota_lease import EndedLease, LeaseCall, Leased
from flask_irl.stores.api_keys import ApiKeyStore
from flask_irl.stores.server import ServerInfo
from flask_irl.stores.site import SiteStore
from flask_irl.stores.state import ClientState, Update
from flask_irl.telemetry.events import Notify

SaveResult = Literal["saved", "stale", "gone"]

Pending = Any
"""A request that is under way to a store; opaque to all but that store."""


class Store(SiteStore, ApiKeyStore, Protocol):
    """Keep the state of clients, for all processes that share the store.

    Safe for threads and forks. Every method may raise :class:`~flask_irl.errors.StoreError`.
    ``hit``, ``begin``, ``end`` and ``peek`` are on a request's path and never wait longer than the
    store's timeout; the other methods belong to background work and may take their time.
    """

    local: bool
    """Tells that the store is in this process, and costs no round trip."""
    kind: str
    """Kind of the store: ``memory``, ``redis``, ``cluster`` or ``sentinel``."""
    address: str
    """Its address, without user and password."""

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        """Count one request.

        Args:
            plan: The limits that apply.
            keys: One canonical client key for each of the plan's scopes, the client's own first.
            cost: Requests that this one counts for, 0 or more.
        """

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> Pending | None:
        """Begin to count one request, as :meth:`hit` does, without waiting for the answer.

        Returns:
            The argument of :meth:`end`; None if nothing was begun.
        """

    def end(self, pending: Pending) -> Hit:
        """Wait for the answer to a request that :meth:`begin` sent; call it once."""

    def begin_lease(self, plan: Plan, keys: Sequence[str], call: LeaseCall) -> Pending | None:
        """Begin to count one request of cost 1, and to ask for a quota lease beside.

        Args:
            plan: As for :meth:`hit`, but none that counts other keys than the client's.
            keys: As for :meth:`hit`.
            call: What is asked for.

        Returns:
            The first argument of :meth:`lease`; None if nothing was begun.
        """

    def lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, begun: Pending | None
    ) -> Leased:
        """End what :meth:`begin_lease` began, or do all of it now; call it once.

        The units of a lease count as used from now on; :meth:`give_back` takes back those that are
        not. A worker that dies with a lease leaves less to the client, never more.
        """

    def give_back(self, leases: Sequence[EndedLease]) -> None:
        """Take back what is unused of leases that have ended, where that admits nobody too much."""

    def peek(self, plan: Plan, keys: Sequence[str]) -> Counted:
        """Read the state of a client under the limits of a plan, and change nothing.

        Args:
            plan: As for :meth:`hit`, like the others.
            keys: One canonical client key for each of the plan's scopes, the client's own first.
        """

    def peek_many(self, plan: Plan, clients: Sequence[str]) -> list[Counted]:
        """Read the states of clients under a plan, as :meth:`peek` does; not on a request's path.

        Args:
            plan: One that counts no other keys than the client's.
            clients: Canonical keys.
        """

    def now(self) -> float:
        """Tell the store's time, in seconds since the epoch."""

    def ping(self) -> None:
        """Return if the store answers."""

    def renew(self) -> None:
        """Drop all connections, so that the next calls look their servers' names up anew."""

    def server(self) -> ServerInfo:
        """Ask the server about itself; what it doesn't tell is None."""

    def load(self, clients: Sequence[str]) -> list[ClientState | None]:
        """Load the states of clients, None for a client that is not known."""

    def load_reachable(
        self, clients: Sequence[str]
    ) -> tuple[list[ClientState | None], StoreError | None]:
        """Load the states of clients whose part of the store answers, as :meth:`load` does.

        Returns:
            The states, None also for clients whose node of a cluster is out; and that node's error,
            None where all have answered.
        """

    def clients(self, prefix: str = "") -> Iterator[list[str]]:
        """Walk through the keys of all clients that begin with a text, in bounded parts.

        Others are served between two parts. A client that comes or goes meanwhile may be missed;
        one may come twice.
        """

    def save(self, updates: Sequence[Update], ttl_seconds: int) -> list[SaveResult]:
        """Save profiles and verdicts, each only if its revision is still current."""

    def forget(self, client: str, ttl_seconds: int) -> bool:
        """Forget a client's counts, profile, verdict and requests; an operator's override stays.

        Args:
            client: Its canonical key.
            ttl_seconds: Twice the longest window of any limit.

        Returns:
            True if the client was known.
        """

    def snapshot(self, client: str) -> bytes | None:
        """Copy all that :meth:`forget` forgets of a client; None for one that made no request."""

    def restore(
        self, client: str, snapshot: bytes, revision: int | None, ttl_seconds: int
    ) -> SaveResult:
        """Put back what :meth:`forget` forgot of a client.

        A client that made a request since keeps its counts since, and its step if that is lower;
        any client its present override.

        Args:
            client: Its canonical key.
            snapshot: What :meth:`snapshot` has given.
            revision: The client's revision now; None if it made no request since.
            ttl_seconds: Least time for which it is kept.

        Returns:
            ``saved``; ``stale`` if its revision is another; ``gone`` if the copy can't be read.
        """

    def forget_all(self, ttl_seconds: int) -> int:
        """Forget every client as :meth:`forget` does, a bounded number at a time.

        What is kept of clients that were forgotten before goes, too.

        Args:
            ttl_seconds: As for :meth:`forget`.

        Returns:
            The number of clients that were known.
        """

    def set_override(self, client: str, override: Override | None, ttl_seconds: int) -> None:
        """Write an operator's override of a client, known or not, or remove it with None."""

    def within(self, prefix: str) -> Store:
        """Give a store of its own, under another prefix of keys, by the same connections.

        Whoever holds this store ends and renews those; the other's :meth:`close` does nothing.
        """

    def report_damage(self, notify: Notify) -> None:
        """Have an event taken for each damaged value that is met from now on."""

    def expire(self) -> int:
        """Drop clients at the end of their time, and count them; Redis does so by itself."""

    def after_fork(self) -> None:
        """Begin anew in a forked process."""

    def leave(self) -> None:
        """Let background work wait no longer than a moment: this process is about to end."""

    def close(self) -> None:
        """Close all connections; the store may be used again."""
