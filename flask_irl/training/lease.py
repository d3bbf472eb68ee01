"""Let one training run at a time: in this process, and in all workers of a store."""

from __future__ import annotations

import threading
import uuid
from typing import Final

from flask_irl.errors import TrainingRefused
from flask_irl.stores.base import Store

SECONDS: Final = 180.0
"""No training takes longer; the lease of a process that died ends then."""
TRAINING: Final = "train"
SCHEDULE: Final = "tick"


class TrainingLease:
    """Hold the store's lease for the training of this process, each under an owner of its own.

    Args:
        store: Holds the leases of all workers.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent's training isn't here."""
        self.owner = uuid.uuid4().hex
        """Owner of this process in the lease of the schedule."""
        self._lock = threading.Lock()
        self._training: str | None = None

    @property
    def is_taken(self) -> bool:
        """Tell whether a training of this process holds the lease."""
        return self._training is not None

    def take_schedule(self, seconds: float) -> bool:
        """Take the turn to train on schedule; False while another worker has it.

        Args:
            seconds: Time that the turn lasts.

        Raises:
            StoreError: The store failed.
        """
        return self._store.take_lease(SCHEDULE, self.owner, seconds)

    def take(self) -> str:
        """Take the lease for a training.

        Returns:
            The training's owner, for :meth:`release`.

        Raises:
            TrainingRefused: A training runs, here or in another worker.
            StoreError: The store failed.
        """
        training = uuid.uuid4().hex
        with self._lock:
            if self._training is not None:
                raise TrainingRefused("a training is running in this worker already")
            self._training = training
        try:
            if not self._store.take_lease(TRAINING, training, SECONDS):
                raise TrainingRefused("another worker is training")
        except BaseException:
            self._end(training)
            raise
        return training

    def release(self, training: str) -> None:
        """Give the lease of a training back; one of another training stays.

        Raises:
            StoreError: The store failed; the lease ends by itself.
        """
        try:
            self._store.release_lease(TRAINING, training)
        finally:
            self._end(training)

    def leave(self) -> None:
        """Give back the leases that this process holds, in the midst of a training or not.

        Raises:
            StoreError: The store failed.
        """
        training = self._training
        if training is not None:
            self._store.release_lease(TRAINING, training)
        self._store.release_lease(SCHEDULE, self.owner)

    def _end(self, training: str) -> None:
        with self._lock:
            if self._training == training:
                self._training = None
