"""Define the protocol of the courses of clients over the last day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class CourseStore(Protocol):
    """Keep the courses of a bounded number of clients; off every request's path.

    Parts are added by ``SiteStore.add_counts``, in a :class:`~flask_irl.stores.history.History`.
    Every method may raise :class:`~flask_irl.errors.StoreError`.
    """

    def course_clients(self) -> list[str]:
        """List the clients whose courses are kept, those that ranked highest first."""

    def courses(self, clients: Sequence[str]) -> list[bytes]:
        """Read the courses of clients, see :mod:`flask_irl.behaviour.courses`; empty for none."""

    def drop_courses(self, clients: Sequence[str]) -> None:
        """Forget the courses of clients."""

    def clear_courses(self) -> None:
        """Forget all courses."""
