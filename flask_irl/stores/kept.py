"""Define the protocol of what is kept for a while: operators' sessions, and forgotten clients."""

from __future__ import annotations

from typing import Final, Protocol

LONGEST_SECONDS: Final = 3600
"""Time for which anything is kept at most. What ends later than that has been written by somebody
else, and makes room first."""


class KeptStore(Protocol):
    """Keep contents by name until their end, bounded; off every request's path.

    Every method may raise :class:`~flask_irl.errors.StoreError`.
    """

    def put_session(
        self, name: str, session: bytes, until: float, most: int, *, renew: bool = False
    ) -> None:
        """Write a session of the operator's page, in place of one of that name.

        Args:
            name: Its name; not what the operator's browser has, but a hash of that.
            session: Its content.
            until: Its end in seconds since the epoch, rounded up to the next second.
            most: Sessions that are kept, 1 or more; the first to end makes room for another.
            renew: Writes it only if it hasn't ended meanwhile.
        """

    def session(self, name: str) -> bytes | None:
        """Read a session; None for one that isn't known or has ended."""

    def end_session(self, name: str) -> bytes | None:
        """End a session, and read it as :meth:`session` does: of several callers, one gets it."""

    def keep_forgotten(self, client: str, content: bytes, until: float, most: int) -> None:
        """Keep what was forgotten of a client, in place of what was before.

        Args:
            client: Its canonical key.
            content: What was forgotten.
            until: The end in seconds since the epoch, rounded up to the next second.
            most: Clients of which it is kept, 1 or more; the first to end makes room for another.
        """

    def forgotten(self, client: str) -> bytes | None:
        """Read what was forgotten of a client; None for nothing, or nothing any more."""

    def drop_forgotten(self, client: str) -> bytes | None:
        """Drop what was forgotten of a client, and read it: of several callers, one gets it."""
