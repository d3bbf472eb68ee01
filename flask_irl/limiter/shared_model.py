"""Keep the model that tenants with few rows share: trained on a pool, loaded in every process."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from flask_irl.behaviour.buffer import Buffer
from flask_irl.config.options import Options
from flask_irl.limiter.failures import Failures
from flask_irl.limiter.rounds import Rounds, Turn
from flask_irl.limiter.worker import Jobs
from flask_irl.stores.base import Store
from flask_irl.stores.site import Revisions
from flask_irl.telemetry.events import ignore
from flask_irl.training.background import BackgroundTraining
from flask_irl.training.fit import ChildFit, Fit
from flask_irl.training.for_options import new_trainer
from flask_irl.training.pool import Pool, Pooled

NAME = "~shared"
"""Stands for a tenant's name in keys and log: no tenant can be called so."""


class SharedModel:
    """Train the shared model in its turn, and load that of other processes.

    Args:
        options: The app's.
        store: A part of the store of its own, for the models.
        failures: Takes errors of background work.
        rounds: Give it its turns.
        members: Lists the tenants whose rows may be pooled.
        fit: Trains detectors; by default a child process does.

    Attributes:
        trainer: Trains it, and holds it.
    """

    tenant = NAME

    def __init__(
        self,
        options: Options,
        store: Store,
        failures: Failures,
        rounds: Rounds,
        members: Callable[[], Sequence[Pooled]],
        fit: Fit | None,
    ) -> None:
        self.store = store
        self.failures = failures
        self.buffer = Buffer()
        self._child = ChildFit()
        pool = Pool(members, options.tenant_rows)
        self.trainer = new_trainer(options, store, ignore, fit or self._child, material=pool)
        guard = functools.partial(failures.guard, "train")
        self.trainings = BackgroundTraining(self.trainer, guard, self._child.end)
        self._turn = rounds.turn(
            self,
            Jobs(
                flush=_nothing,
                refresh=self.refresh,
                train=self.trainings.start_if_due if options.train else None,
                end_training=self.trainings.close,
                leave_training=self.trainer.leave,
                expire=_nothing,
                tell=_nothing,
            ),
            always=True,
        )

    @property
    def turn(self) -> Turn:
        """Give its place in the rounds."""
        return self._turn

    @property
    def is_used(self) -> bool:
        """Tell that it decides on no requests."""
        return False

    @property
    def is_training(self) -> bool:
        """Tell whether a training runs in this process."""
        return self.trainings.is_running

    def refresh(self, news: Revisions | None = None) -> None:
        """Load the model in force if it is another one than this process has.

        Raises:
            StoreError: The store failed.
        """
        news = self.store.revisions() if news is None else news
        if news.model != self.trainer.in_force.model.version:
            self.trainer.poll()
        self.trainer.in_force.take_pin(news.pin)

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self._child.after_fork()
        self.trainer.after_fork()
        self.trainings.after_fork()


def _nothing() -> None:
    """Do nothing."""
