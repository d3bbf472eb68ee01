"""Learn from observations: flush them into profiles and verdicts, and train models on rows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask_irl.behaviour.buffer import Buffer
from flask_irl.campaigns.newcomers import SystemOf
from flask_irl.config.options import Options
from flask_irl.errors import StoreError
from flask_irl.limiter.campaign_gate import CampaignGate
from flask_irl.limiter.failures import Failures
from flask_irl.model.model import Model
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import Notify
from flask_irl.training.background import BackgroundTraining
from flask_irl.training.fit import ChildFit, Fit
from flask_irl.training.for_options import new_trainer
from flask_irl.training.trainer import Training
from flask_irl.verdicts.campaign_watch import CampaignWatch
from flask_irl.verdicts.course_rows import LimitedRoutes
from flask_irl.verdicts.incident_watch import Announce, no_one
from flask_irl.verdicts.ladder import Ladder
from flask_irl.verdicts.profiler import Profiler
from flask_irl.verdicts.rules import Rules
from flask_irl.verdicts.site_update import SiteUpdate
from flask_irl.verdicts.traps import Traps


class Learning:
    """Compose profiler and trainer.

    Args:
        options: All options.
        store: Where profiles, rows and models live.
        notify: Takes events.
        failures: Takes errors of background work.
        fit: Trains detectors; by default a child process does.
        ladder: The steps in force.
        buffer: Holds observations until they are flushed.
        traps: Holds clients that hit a honeypot until then.
        announce: Takes beginnings and ends of attacks.
        shared: Gives the model that judges while there is none of its own; None for none.
        country_of: Names the country of a client, or gives ""; None where nothing does.
        limited: Names the routes that have limits of their own, as courses do.
        system_of: Names the autonomous system of a client, or gives ""; None where nothing does.

    Attributes:
        gate: Holds back newcomers' logins where there is a campaign.
        profiler: Keeps profiles and verdicts.
        campaigns: Watches for attacks of many clients.
        trainer: Trains models, and holds the one in force.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        notify: Notify,
        failures: Failures,
        fit: Fit | None,
        ladder: Ladder,
        buffer: Buffer,
        traps: Traps,
        announce: Announce | None = None,
        shared: Callable[[], Model] | None = None,
        country_of: Callable[[str], str] | None = None,
        limited: LimitedRoutes = tuple,
        system_of: SystemOf | None = None,
    ) -> None:
        self._failures = failures
        self._child = ChildFit()
        self.trainer = new_trainer(options, store, notify, fit or self._child, shared=shared)
        self.campaigns = CampaignWatch(
            store,
            notify,
            enabled=options.campaigns,
            announce=announce or no_one,
            system_of=system_of,
        )
        self.profiler = Profiler(
            store,
            ladder=ladder,
            model=lambda: self.trainer.model,
            notify=notify,
            ttl_seconds=options.profile_ttl_seconds,
            rows_capacity=options.rows_capacity,
            rules=Rules(options.login_failures, options.unknown_paths),
            campaigns=self.campaigns,
            buffer=buffer,
            traps=traps,
            new_site=functools.partial(
                SiteUpdate.first,
                recent_requests=options.recent_requests,
                country_of=country_of,
                limited=limited,
            ),
            errors=lambda: failures.store_errors,
        )
        self.gate = CampaignGate(self.campaigns, store, failures, notify)
        self._trainings = BackgroundTraining(
            self.trainer, functools.partial(failures.guard, "train"), self._child.end
        )

    def use(self, options: Options, ladder: Ladder) -> None:
        """Judge by other options, and the steps that they name, from now on."""
        self.profiler.use(ladder)
        self.trainer.threshold = options.anomaly_threshold

    def train(self) -> Training:
        """Flush, then train now; never raises."""
        try:
            self.profiler.flush()
        except StoreError as error:
            self._failures.store_failed(error)
        return self.trainer.train()

    def start_training(self) -> None:
        """Flush, then start a training in the background; returns at once.

        Raises:
            TrainingRefused: There is too little to learn from, or a training runs, here or in
                another worker.
            StoreError: The store failed.
        """
        self.profiler.flush()
        self._trainings.start()

    def train_if_due(self) -> None:
        """Flush, then start a training in the background if it is this process's turn.

        Raises:
            StoreError: The store failed.
        """
        self.profiler.flush()
        self._trainings.start_if_due()

    @property
    def is_training(self) -> bool:
        """Tell whether a training runs in this process."""
        return self._trainings.is_running

    def report(self) -> dict[str, Any]:
        """Describe this process's part in short, ready for JSON."""
        return {"crowd_guard": self.profiler.guarding, "model": self.trainer.in_force.model.version}

    def close(self) -> bool:
        """Start no training any more, and break off one that runs; returns whether one ran."""
        return self._trainings.close()

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self.campaigns.after_fork()
        self.profiler.after_fork()
        self._child.after_fork()
        self.trainer.after_fork()
        self._trainings.after_fork()
