"""Make a trainer as the options say."""

from __future__ import annotations

from collections.abc import Callable

from flask_irl.config.options import Options
from flask_irl.model.model import Model
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import Notify
from flask_irl.training.fit import Fit
from flask_irl.training.pool import Material
from flask_irl.training.trainer import Trainer


def new_trainer(
    options: Options,
    store: Store,
    notify: Notify,
    fit: Fit,
    *,
    material: Material | None = None,
    shared: Callable[[], Model] | None = None,
) -> Trainer:
    """Make a trainer.

    Args:
        options: All options.
        store: As for :class:`Trainer`, like the others.
        notify: Takes events.
        fit: Fits a detector.
        material: What to learn from.
        shared: Gives the model that judges while there is none of its own; then it takes
            ``tenant_rows`` rows to train one.
    """
    return Trainer(
        store,
        notify=notify,
        threshold=options.anomaly_threshold,
        false_flag_rate=options.false_flag_rate,
        min_clients=options.min_clients,
        interval_seconds=options.training_interval_minutes * 60,
        learning_seconds=options.learning_minutes * 60,
        detector=options.detector,
        fit=fit,
        material=material,
        min_rows=0 if shared is None else options.tenant_rows,
        shared=shared,
    )
