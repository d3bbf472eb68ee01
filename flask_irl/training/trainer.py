"""Train: from a site's rows to a model in force, one training at a time among all workers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from flask_irl.behaviour.rows import damaged_rows
from flask_irl.behaviour.site_statistics import learn_site
from flask_irl.errors import LibraryMissing, ModelError, StoreError, TrainingRefused
from flask_irl.model.model import Model
from flask_irl.stores.base import Store
from flask_irl.stores.site import Publication
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify, TrainingEnded
from flask_irl.telemetry.log import event
from flask_irl.training.candidate import Terms, make_candidate
from flask_irl.training.fit import Fit, fit_in_child
from flask_irl.training.last import write_last
from flask_irl.training.lease import TrainingLease
from flask_irl.training.pool import Material
from flask_irl.training.publication import ModelInForce
from flask_irl.training.report import Result as Result
from flask_irl.training.report import Training as Training
from flask_irl.training.rows import NO_ROWS, check_requests, sort_rows
from flask_irl.training.schedule import TURN_SHARE, is_outdated, share_to_renew


class Trainer:
    """Train models on a store's rows, publish them, and load those of other workers.

    Args:
        store: Holds rows, models and the lease.
        notify: Takes the events of trainings and loaded models.
        threshold: Calibrated score below which a client is anomalous, -1 to 0.
        false_flag_rate: Share of legitimate requests that may be lost at a score of -0.5.
        min_clients: A model trained on fewer clients only advises.
        interval_seconds: Time between two scheduled trainings.
        learning_seconds: A model only advises of a site that has been observed for less.
        detector: Kind of the detector.
        fit: Fits a detector on a training set.
        material: What to learn from; by default the store's own rows and counters.
        min_rows: Trains nothing from fewer rows.
        shared: Gives the model that judges while there is none in force here; None for none.
    """

    def __init__(
        self,
        store: Store,
        *,
        notify: Notify,
        threshold: float,
        false_flag_rate: float,
        min_clients: int,
        interval_seconds: float,
        learning_seconds: float = 0.0,
        detector: str = "blend",
        fit: Fit = fit_in_child,
        material: Material | None = None,
        min_rows: int = 0,
        shared: Callable[[], Model] | None = None,
    ) -> None:
        self._material = material or store
        self.min_rows = min_rows
        self._shared = shared
        self._store = store
        self._notify = notify
        self._damaged = DamageLog("rows", "rows_damaged", notify)
        self.threshold = threshold
        self._rate = false_flag_rate
        self._min_clients = min_clients
        self._interval = interval_seconds
        self._learning_seconds = learning_seconds
        self._kind = detector
        self._fit = fit
        self._lease = TrainingLease(store)
        self._warned = False
        self._rejected_rows: int | None = None
        self.in_force = ModelInForce(store, notify)
        """The model in force, and its publication."""
        self.last: Training | None = None
        """The latest training of this process."""

    @property
    def model(self) -> Model:
        """Give the model that judges in this process: the one in force, or the shared one."""
        own = self.in_force.model
        return own if own.version or self._shared is None else self._shared()

    @property
    def uses_shared(self) -> bool:
        """Tell whether the shared model judges, since there is none in force here."""
        return self._shared is not None and not self.in_force.model.version

    @property
    def owner(self) -> str:
        """Name this process in the lease of the schedule."""
        return self._lease.owner

    def after_fork(self) -> None:
        """Begin anew in a forked process: it is another owner."""
        self._lease.after_fork()

    def poll(self) -> bool:
        """Load the model in force if it is another one than this process has; see there.

        Raises:
            StoreError: The store failed.
        """
        return self.in_force.poll()

    def is_due(self) -> bool:
        """Take the turn to train on schedule, and tell whether anything was learned since.

        Raises:
            StoreError: The store failed.
        """
        if self._lease.is_taken or not self._lease.take_schedule(self._interval * TURN_SHARE):
            return False
        if self.min_rows and self._store.row_count() < self.min_rows:
            return False
        counts, now = self._material.counts(), self._store.now()
        if counts.get("rows", 0) == self._rejected_rows:
            # The gate would reject the same again.
            return False
        # Under a pin the model in force grows ever older: what counts is the latest candidate.
        latest = self.in_force.candidate or self.in_force.model
        return is_outdated(latest, counts, now, self._learning_seconds)

    def tick(self) -> Training | None:
        """Train if it is this process's turn and anything was learned; else None.

        Raises:
            StoreError: The store failed before the training began.
        """
        return self.train(whole=False) if self.is_due() else None

    def claim(self) -> str:
        """Claim the right to train at once, for :meth:`train`; a refusal is reported like one.

        Raises:
            TrainingRefused: There is too little to learn from, or a training runs, here or in
                another worker.
            StoreError: The store failed.
        """
        try:
            return self._claim()
        except TrainingRefused as error:
            self._report(Training("refused", str(error)), logging.INFO)
            raise

    def train(self, claim: str | None = None, *, whole: bool = True) -> Training:
        """Train now, and report it; raises nothing of a store, a model or a child process.

        Args:
            claim: From :meth:`claim`, if that was called.
            whole: Grow all trees anew, whatever there is; scheduled trainings needn't.
        """
        started = time.monotonic()
        level = logging.INFO
        try:
            training = self._train(claim or self._claim(), whole)
        except TrainingRefused as error:
            training = Training("refused", str(error))
            if isinstance(error, LibraryMissing) and not self._warned:
                # Once: it is the same at each interval, until somebody installs it.
                self._warned, level = True, logging.WARNING
        except StoreError as error:
            training = Training("failed", f"the store failed: {error}")
            level = logging.WARNING
        except (ModelError, ValueError, OSError) as error:
            training = Training("failed", f"{type(error).__name__}: {error}")
            level = logging.WARNING
        return self._report(replace(training, seconds=time.monotonic() - started), level)

    def drop(self, claim: str) -> None:
        """Give a claim back without a training.

        Raises:
            StoreError: The store failed; the claim ends by itself.
        """
        self._lease.release(claim)

    def leave(self) -> None:
        """Leave the turn to other workers at once, in the midst of a training or not.

        Raises:
            StoreError: The store failed.
        """
        self._lease.leave()

    def _claim(self) -> str:
        claim = self._lease.take()
        try:
            self._check_material()
        except BaseException:
            self._lease.release(claim)
            raise
        return claim

    def _check_material(self) -> None:
        """Check that there is something to learn from, without reading all rows."""
        if self.min_rows and (rows := self._store.row_count()) < self.min_rows:
            raise TrainingRefused(f"this tenant has {rows} of {self.min_rows} rows")
        counts = self._material.counts()
        check_requests(counts.get("requests", 0))
        if not counts.get("rows") and not self._material.rows():
            raise TrainingRefused(NO_ROWS)

    def _train(self, claim: str, whole: bool) -> Training:
        try:
            return self._publish_next(whole)
        finally:
            self._lease.release(claim)

    def _publish_next(self, whole: bool) -> Training:
        """Fit a detector, make a candidate of it, and put that in force if it passes the gate."""
        now = self._store.now()
        counts = self._material.counts()
        packed = self._material.rows()
        if damaged := damaged_rows(packed):
            self._damaged.report(count=damaged, rows=damaged, reason="not all of it is possible")
        rows = sort_rows(packed)
        current = self._store.model_version()
        version = max([current, *self._store.model_versions()]) + 1
        began = time.monotonic()
        renewable = None if whole else self._renewable()
        before = None if renewable is None else renewable.detector
        share = share_to_renew(renewable, counts, len(rows.own))
        routes = learn_site(counts)["routes"]
        detector = self._fit(rows.training_set(self._kind, routes, version, before, share))
        model, trial = make_candidate(
            detector,
            rows,
            counts,
            Terms(self.threshold, self._rate, self._min_clients, self._learning_seconds),
            before=self.in_force.model,
            version=version,
            now=now,
            fit_seconds=time.monotonic() - began,
        )
        training = Training(
            "accepted",
            version=version,
            rows=model.rows,
            clients=model.clients,
            requests=model.requests,
            at=now,
        )
        self._rejected_rows = None if trial.passed else counts.get("rows", 0)
        if not trial.passed:
            return replace(training, result="rejected", reason=trial.reason, version=0)
        publication = self.in_force.publish(current, model)
        if publication is Publication.KEPT_ASIDE:
            pin = self._store.revisions().pin
            reason = "a version was pinned" if pin is None else f"version {pin.version} is pinned"
            return replace(training, result="kept_aside", reason=reason)
        if publication is Publication.OVERTAKEN:
            reason = "another model was put in force meanwhile"
            return replace(training, result="rejected", reason=reason, version=0)
        return training

    def _renewable(self) -> Model | None:
        """Find the model whose newer trees may stay; None for none.

        A pinned one is old, and only grows older.
        """
        force = self.in_force
        model = force.model if force.pin is None else force.candidate
        return model if model is not None and model.version else None

    def _report(self, training: Training, level: int) -> Training:
        self.last = training
        write_last(self._store, self._notify, asdict(training))
        self._notify(TrainingEnded(training.result, training.seconds))
        event(
            level,
            f"training_{training.result}",
            version=training.version,
            rows=training.rows,
            clients=training.clients,
            requests=training.requests,
            seconds=training.seconds,
            reason=training.reason,
        )
        return training
