"""Renew locks in forked processes: one held by a thread of the parent is never released there."""

from __future__ import annotations

import os
import weakref
from typing import Final, Protocol


class Forkable(Protocol):
    """Hold a lock, or other state that a forked process must not take over."""

    def after_fork(self) -> None:
        """Renew that state; called in the child before any other code of it runs."""


def renew_after_fork(holder: Forkable) -> None:
    """Let a holder be renewed in each process forked from now on, for as long as it lives."""
    _HOLDERS.add(holder)


def _renew() -> None:
    for holder in list(_HOLDERS):
        holder.after_fork()


_HOLDERS: Final[weakref.WeakSet[Forkable]] = weakref.WeakSet()

# Windows forks no process.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
