"""Score rows of features with a model, and store it together with its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.errors import ModelError
from flask_irl.model.calibration import Calibration
from flask_irl.model.container import pack, unpack
from flask_irl.model.detectors import Detector, NullDetector, Rows, detector_from
from flask_irl.model.weighing import Doublings, with_harm

_CONTENT = "flask_irl model"
_LARGEST = 2**53  # all whole numbers below are exact in JSON readers that know only doubles
_T = TypeVar("_T")


@dataclass(frozen=True)
class Model:
    """Hold one version of the model; immutable, safe to share between threads.

    Args:
        version: 0 for the model before the first training, then counting up.
        schema: Id of the feature schema that the rows must follow; opaque here.
        features: Names of the features, in the order of a row's columns.
        trained_at: Unix time of the training, in seconds.
        rows: Number of rows it was trained on.
        clients: Number of different clients that the rows came from.
        requests: Number of requests that the rows stand for.
        advisory: Whether it may only be reported, not acted upon.
        detector: Scores the rows; knows as many features as there are names.
        calibration: Turns the detector's scores into those of :meth:`score`.
        site: JSON-able tables that the site's features are made with.
        report: JSON-able account of the training: gate, time, parameters.
        harm_weight: Weight of the harm that a row shows, 0 to 1, see :func:`with_harm`; with 0 the
            features may be any.

    Raises:
        ModelError: The detector knows another number of features, or a number is out of range.
    """

    version: int
    schema: str
    features: tuple[str, ...]
    trained_at: float
    rows: int
    clients: int
    requests: int
    advisory: bool
    detector: Detector
    calibration: Calibration
    site: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    harm_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.detector.n_features != len(self.features):
            raise ModelError(
                f"the detector knows {self.detector.n_features} features, "
                f"the model names {len(self.features)}"
            )
        for name in ("version", "trained_at", "rows", "clients", "requests"):
            if not 0 <= getattr(self, name) < _LARGEST:
                raise ModelError(
                    f"{name} of a model must be from 0 to 2**53 - 1, not {getattr(self, name)}"
                )
        if not 0.0 <= self.harm_weight <= 1.0:
            raise ModelError(f"harm_weight of a model must be from 0 to 1, not {self.harm_weight}")
        if self.harm_weight and self.features != FEATURE_NAMES:
            raise ModelError("a model that weighs harm must name the features that tell it")

    @classmethod
    def untrained(cls, schema: str, features: tuple[str, ...]) -> Self:
        """Make the model in force before the first training: version 0, scores every row 0."""
        return cls(
            version=0,
            schema=schema,
            features=features,
            trained_at=0.0,
            rows=0,
            clients=0,
            requests=0,
            advisory=True,
            detector=NullDetector(len(features)),
            calibration=Calibration(((0.0, 0.0), (1.0, -1.0))),
        )

    def score(self, rows: Rows, most: Doublings = np.inf) -> NDArray[np.float64]:
        """Score rows of features.

        Args:
            rows: Shape (n, number of features); see :meth:`Detector.score`.
            most: Doublings of harm that count at most, see :func:`with_harm`.

        Returns:
            Shape (n,), from 0 (as normal as can be) to -1 (as anomalous as can be).

        Raises:
            ValueError: The rows have another shape.
        """
        raw = with_harm(self.detector.score(rows), rows, self.harm_weight, most)
        return self.calibration.apply(raw)


def dump(model: Model) -> bytes:
    """Write a model to bytes that :func:`load` reads.

    Raises:
        ModelError: ``site`` or ``report`` is not JSON-able.
    """
    meta = {
        "what": _CONTENT,
        "version": model.version,
        "schema": model.schema,
        "features": list(model.features),
        "trained_at": model.trained_at,
        "rows": model.rows,
        "clients": model.clients,
        "requests": model.requests,
        "advisory": model.advisory,
        "detector": model.detector.kind,
        "calibration": model.calibration.to_list(),
        "site": dict(model.site),
        "report": dict(model.report),
        "harm_weight": model.harm_weight,
    }
    return pack(meta, model.detector.to_arrays())


def load(data: bytes, *, schema: str) -> Model:
    """Read a model that :func:`dump` wrote.

    Args:
        data: The bytes, from whatever source.
        schema: Id of the feature schema that this program makes rows by.

    Raises:
        ModelError: The bytes are damaged or no model, or the model is of another schema or
            inconsistent; says which.
    """
    meta, arrays = unpack(data)
    if meta.get("what") != _CONTENT:
        raise ModelError(f"the container holds {meta.get('what')!r:.100}, not a {_CONTENT}")
    own_schema = _member(meta, "schema", str)
    if own_schema != schema:
        raise ModelError(
            f"the model is of the feature schema {own_schema!r:.100}, "
            f"this program uses {schema!r:.100}"
        )
    features = _member(meta, "features", list)
    if not all(isinstance(name, str) for name in features):
        raise ModelError(f"features of the model must be names, not {features!r:.100}")
    return Model(
        version=_member(meta, "version", int),
        schema=own_schema,
        features=tuple(features),
        trained_at=_member(meta, "trained_at", float),
        rows=_member(meta, "rows", int),
        clients=_member(meta, "clients", int),
        requests=_member(meta, "requests", int),
        advisory=_member(meta, "advisory", bool),
        detector=detector_from(_member(meta, "detector", str), arrays),
        calibration=Calibration.from_list(_member(meta, "calibration", list)),
        site=_member(meta, "site", dict),
        report=_member(meta, "report", dict),
        # Models of earlier versions have none.
        harm_weight=_member({"harm_weight": 0.0, **meta}, "harm_weight", float),
    )


def _member(meta: Mapping[str, Any], name: str, wanted: type[_T]) -> _T:
    if name not in meta:
        raise ModelError(f"the model has no member {name!r}")
    member: Any = meta[name]
    if wanted is float and type(member) is int and abs(member) < _LARGEST:
        member = float(member)  # JSON may write 1.0 as 1
    # Exactly the type: True is an int to Python, but not a version.
    if type(member) is not wanted:
        raise ModelError(
            f"member {name!r} of the model must be {wanted.__name__}, not {member!r:.100}"
        )
    return member
