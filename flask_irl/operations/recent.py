"""Read the recent requests of a client, where the site keeps some."""

from __future__ import annotations

from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.results import RecentRequestResult
from flask_irl.stores.recent import RECENT_SECONDS, decode
from flask_irl.telemetry.damage import DamageLog


class RecentRequests:
    """Read the recent requests of clients.

    Args:
        limiter: The limiter.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._damaged = DamageLog("recent", "recent_request_damaged", limiter.notify)

    def of(self, client: str, now: float) -> list[RecentRequestResult] | None:
        """List the requests of a client that are kept, the latest first; None where none is.

        Args:
            client: The client's key.
            now: Seconds since the epoch.

        Raises:
            StoreError: The store failed.
        """
        most = self._limiter.options.recent_requests
        if not most:
            return None
        found: list[RecentRequestResult] = []
        for data in self._limiter.store.recent(client)[:most]:
            try:
                request = decode(data)
            except ValueError as error:
                self._damaged.tell(str(error))
                continue
            if now - request.at < RECENT_SECONDS:
                found.append(
                    {
                        "at": request.at,
                        "method": request.method,
                        "route": request.route,
                        "status": request.status,
                        "outcome": request.outcome,
                        "times": request.times,
                    }
                )
        # Refusals that no store has counted are told together, by the time of the latest.
        return sorted(found, key=lambda request: -request["at"])
