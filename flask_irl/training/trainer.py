"""Training: from rows to a model in force, by whoever of all workers holds the lease."""

from __future__ import annotations

import logging
import math
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA, column
from flask_irl.behaviour.rows import ABUSE, unpack_rows, within_quota
from flask_irl.behaviour.site_statistics import began_at, learn_paces, learn_site, usual_values
from flask_irl.errors import ModelError, StoreError, TrainingRefused
from flask_irl.model.calibration import calibrate_by_impact
from flask_irl.model.model import Model, dump, load
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import ModelLoaded, Notify, TrainingEnded
from flask_irl.telemetry.log import event
from flask_irl.training.training_set import (
    Fit,
    Lesson,
    fit_in_child,
    flagged,
    newcomers,
    parts,
    samples,
    samples_of,
)
from flask_irl.verdicts.rules import harmful

MIN_REQUESTS: Final = 50
CLIENT_SHARE: Final = 0.02
CLIENT_LEAST: Final = 10
GATE_SHARE: Final = 0.05
"""A candidate that flags more than this share of recent legitimate clients is kept aside."""
GATE_LEAST: Final = 2
"""So few flagged clients say nothing of a share."""
NEW_ROWS_SHARE: Final = 0.2
LEASE_SECONDS: Final = 180.0

Result = Literal["accepted", "rejected", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Training:
    """What came of a training.

    Attributes:
        result: ``accepted`` (in force), ``rejected`` (by the gate, or somebody was faster),
            ``refused`` (not started), ``failed``.
        reason: Why, for people; empty when accepted.
        version: The model's version; 0 if there is none.
        rows: Rows trained on.
        clients: Different clients among them.
        requests: Requests that the rows stand for.
        seconds: How long it took.
        at: When, in seconds since the epoch.
    """

    result: Result
    reason: str = ""
    version: int = 0
    rows: int = 0
    clients: int = 0
    requests: int = 0
    seconds: float = 0.0
    at: float = 0.0


class Trainer:
    """Trains models on a store's rows, publishes them, and loads what others published.

    Args:
        store: Holds rows, models and the lease.
        notify: Takes the events of trainings and loaded models.
        threshold: The calibrated score below which a client is anomalous.
        false_flag_rate: Share of legitimate rows that may fall below -0.5.
        min_clients: A model trained on fewer clients only advises.
        learning_seconds: So does one of a site that has been watched for less.
        detector: The kind of detector.
        interval_seconds: How often :meth:`tick` trains.
        fit: Makes a detector of rows and a seed.
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
    ) -> None:
        self._store = store
        self._notify = notify
        self.threshold = threshold
        self._rate = false_flag_rate
        self._min_clients = min_clients
        self._interval = interval_seconds
        self._learning_seconds = learning_seconds
        self._kind = detector
        self._fit = fit
        self.owner = uuid.uuid4().hex
        self.model = Model.untrained(SCHEMA, FEATURE_NAMES)
        self.last: Training | None = None
        self._refused_version = 0

    def after_fork(self) -> None:
        """A forked process is another owner."""
        self.owner = uuid.uuid4().hex

    def tick(self) -> Training | None:
        """Train if it is this process's turn and there is enough that is new; else None."""
        if not self._store.take_lease("tick", self.owner, self._interval * 0.9):
            return None
        if self.model.version:
            seen = self._store.counts().get("rows", 0)
            new = seen - int(self.model.report.get("rows_seen", 0))
            learned = self.model.advisory and self._learned(began_at(self.model.site, math.inf))
            if 0 <= new < NEW_ROWS_SHARE * self.model.rows and not learned:
                return None
        return self.train()

    def _learned(self, began: float) -> bool:
        return self._store.now() - began >= self._learning_seconds

    def train(self) -> Training:
        """Train now, whatever is new. Never raises; reports it and logs it."""
        started = time.monotonic()
        try:
            if not self._store.take_lease("train", self.owner, LEASE_SECONDS):
                raise TrainingRefused("another worker is training")
            try:
                training = self._train(self._store.now())
            finally:
                self._store.release_lease("train", self.owner)
        except TrainingRefused as error:
            training = Training("refused", str(error))
        except (StoreError, ModelError, ValueError, OSError) as error:
            training = Training("failed", f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - started
        training = Training(
            training.result,
            training.reason,
            training.version,
            training.rows,
            training.clients,
            training.requests,
            seconds,
            training.at,
        )
        self.last = training
        self._notify(TrainingEnded(training.result, seconds))
        event(
            logging.WARNING if training.result == "failed" else logging.INFO,
            f"training_{training.result}",
            version=training.version,
            rows=training.rows,
            clients=training.clients,
            requests=training.requests,
            seconds=seconds,
            reason=training.reason,
        )
        return training

    def leave(self) -> None:
        """Leave the turn to others at once, in the midst of a training or not.

        Raises:
            StoreError: The store failed.
        """
        for lease in ("train", "tick"):
            self._store.release_lease(lease, self.owner)

    def poll(self) -> bool:
        """Load the model in force if it is another one than this process has.

        Returns:
            Whether another model is in use now.

        Raises:
            StoreError: The store failed.
        """
        version = self._store.model_version()
        if version in (self.model.version, self._refused_version):
            return False
        if version == 0:
            self._use(Model.untrained(SCHEMA, FEATURE_NAMES))
            return True
        blob = self._store.model(version)
        try:
            if blob is None:
                raise ModelError("it is not in the store")
            model = load(blob, schema=SCHEMA)
            if model.version != version:
                raise ModelError(f"it says that it is version {model.version}")
        except ModelError as error:
            # The one in force stays; the log says so once.
            self._refused_version = version
            event(logging.ERROR, "model_refused", version=version, reason=error)
            return False
        self._use(model)
        return True

    def _use(self, model: Model) -> None:
        self.model = model
        self._refused_version = 0
        self._notify(ModelLoaded(model.version, model.trained_at))
        event(
            logging.INFO,
            "model_loaded",
            version=model.version,
            rows=model.rows,
            clients=model.clients,
            advisory=model.advisory,
        )

    def _train(self, now: float) -> Training:
        unpacked = unpack_rows(self._store.rows())
        abuse = unpacked["feedback"] == ABUSE
        attacks = np.ascontiguousarray(unpacked["features"][abuse])
        rows = within_quota(unpacked[~abuse], CLIENT_SHARE, CLIENT_LEAST)
        counts = self._store.counts()
        requests = counts.get("requests", 0)
        clients = len(np.unique(rows["client"]))
        if requests < MIN_REQUESTS:
            raise TrainingRefused(
                f"{requests} requests observed, at least {MIN_REQUESTS} are needed"
            )
        if not len(rows):
            raise TrainingRefused(
                "no client has been observed for long enough: a row needs at least five requests "
                "of one client, none of them refused or flagged"
            )
        current = self._store.model_version()
        version = max([current, *self._store.model_versions()]) + 1
        started = time.monotonic()
        normal = newcomers(rows)
        fitted, held = parts(rows, normal)
        site = learn_site(counts)
        lesson = Lesson(
            self._kind,
            samples(rows[fitted]),
            samples_of(normal[fitted]),
            attacks,
            site["routes"],
            version,
        )
        detector = self._fit(lesson)
        judging = rows[held]
        calibration = calibrate_by_impact(
            detector.score(judging["features"]),
            harmful(judging["features"]),
            judging["requests"].astype(np.float64),
            self._rate,
            detector.floor,
        )
        odd, judged = flagged(detector, calibration, rows[normal], self.threshold)
        began = min(float(rows["at"].min()), began_at(self.model.site, now))
        outcome = Training(
            "accepted", "", version, len(rows), clients, int(rows["requests"].sum()), 0.0, now
        )
        report: dict[str, Any] = {
            "fit_seconds": round(time.monotonic() - started, 3),
            "gate": {"flagged_share": round(odd / judged, 4), "allowed_share": GATE_SHARE},
            "false_flag_rate": self._rate,
            "threshold": self.threshold,
            "rows_seen": counts.get("rows", 0),
        }
        if odd > max(GATE_LEAST, GATE_SHARE * judged):
            return _with(
                outcome,
                "rejected",
                f"it would flag {odd / judged:.1%} of recent legitimate clients, "
                f"{GATE_SHARE:.0%} are allowed",
            )
        model = Model(
            version=version,
            schema=SCHEMA,
            features=FEATURE_NAMES,
            trained_at=now,
            rows=len(rows),
            clients=clients,
            requests=outcome.requests,
            advisory=clients < self._min_clients or not self._learned(began),
            detector=detector,
            calibration=calibration,
            site={
                **site,
                "usual": usual_values(rows["features"]),
                "paces": learn_paces(
                    rows["route"], column(rows["features"], "requests_per_minute")
                ),
                "began": began,
            },
            report=report,
        )
        if not self._store.publish(current, version, dump(model)):
            return _with(outcome, "rejected", "another worker published a model meanwhile")
        self._use(model)
        return outcome


def _with(training: Training, result: Result, reason: str) -> Training:
    return Training(
        result,
        reason,
        0,
        training.rows,
        training.clients,
        training.requests,
        training.seconds,
        training.at,
    )
