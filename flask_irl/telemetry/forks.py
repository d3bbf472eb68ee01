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
    """Renew every holder, also after one that fails; raises the first error, once, at the end."""
    errors: list[Exception] = []
    for holder in list(_HOLDERS):
        try:
            holder.after_fork()
        except Exception as error:
            errors.append(error)
    # Python prints it on stderr and goes on: a log's own lock may be the one that isn't renewed.
    if errors:
        raise errors[0]


_HOLDERS: Final[weakref.WeakSet[Forkable]] = weakref.WeakSet()

# Windows forks no process.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
