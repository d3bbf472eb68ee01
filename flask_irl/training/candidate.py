"""Make a candidate of a fitted detector: a model with its calibration, tried at the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA, column
from flask_irl.behaviour.harm import harmful
from flask_irl.behaviour.site_statistics import began_at, learn_paces, learn_site, usual_values
from flask_irl.model.calibration import Calibration, calibrate_by_impact
from flask_irl.model.detectors import Detector
from flask_irl.model.model import Model
from flask_irl.model.weighing import with_harm
from flask_irl.training import gate
from flask_irl.training.rows import TrainingRows

HARM_WEIGHT: Final = 0.1
"""Weight of harm in the scores of models."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Hold the terms on which a model comes into force, and is more than advice.

    Attributes:
        threshold: Calibrated score below which a client is anomalous, -1 to 0.
        false_flag_rate: Share of legitimate requests that may be lost at a score of -0.5.
        min_clients: A model trained on fewer clients only advises.
        learning_seconds: A model only advises of a site that has been observed for less.
    """

    threshold: float
    false_flag_rate: float
    min_clients: int
    learning_seconds: float


class Candidate(NamedTuple):
    """Pair a model with its trial at the gate."""

    model: Model
    trial: gate.Trial


def make_candidate(
    detector: Detector,
    rows: TrainingRows,
    counts: Mapping[str, int],
    terms: Terms,
    *,
    before: Model,
    version: int,
    now: float,
    fit_seconds: float,
) -> Candidate:
    """Calibrate a detector, try it at the gate, and make a model of it.

    Args:
        detector: Fitted on the rows' training set.
        rows: The site's rows, sorted by their use.
        counts: The store's counters.
        terms: Terms of the gate and of advice.
        before: Model in force, which knows since when the site has been observed.
        version: The new model's version.
        now: Time in seconds since the epoch.
        fit_seconds: Time that the fit took.
    """
    calibration = _calibrate(detector, rows, terms.false_flag_rate)
    clients = rows.clients
    since = min(float(rows.own["at"].min()), began_at(before.site, now))
    model = Model(
        version=version,
        schema=SCHEMA,
        features=FEATURE_NAMES,
        trained_at=now,
        rows=len(rows.own),
        clients=clients,
        requests=rows.requests,
        advisory=clients < terms.min_clients or now - since < terms.learning_seconds,
        detector=detector,
        calibration=calibration,
        site=_site_tables(rows, counts, since, before),
        harm_weight=HARM_WEIGHT,
    )
    trial = gate.try_candidate(model, rows.own[rows.normal], terms.threshold)
    report = {
        "fit_seconds": round(fit_seconds, 3),
        "gate": {"flagged_share": round(trial.share, 4), "allowed_share": gate.SHARE},
        "false_flag_rate": terms.false_flag_rate,
        "threshold": terms.threshold,
        "rows_seen": counts.get("rows", 0),
    }
    return Candidate(replace(model, report=report), trial)


def _calibrate(detector: Detector, rows: TrainingRows, budget: float) -> Calibration:
    sample = rows.own[rows.calibration]
    features = sample["features"]
    return calibrate_by_impact(
        with_harm(detector.score(features), features, HARM_WEIGHT),
        harmful(features),
        sample["requests"].astype(np.float64),
        budget,
        detector.floor,
    )


def _site_tables(
    rows: TrainingRows, counts: Mapping[str, int], since: float, before: Model
) -> dict[str, Any]:
    features = rows.own["features"]
    rates = column(features, "requests_per_minute")
    return {
        **learn_site(counts),
        "usual": usual_values(features),
        "paces": learn_paces(rows.own["route"], rates, before.site.get("paces", {})),
        "began": since,
    }
