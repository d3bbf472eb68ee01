"""Describe the rows that one detector is fitted on, and carry them to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.container import pack, unpack
from flask_irl.model.detectors import Detector, Rows, detector_from

LARGEST_SEED = 2**32 - 1
_BEFORE = "before."


@dataclass(frozen=True, eq=False, slots=True)
class TrainingSet:
    """Hold everything that a detector is fitted on.

    Args:
        kind: Kind of the detector, one of :data:`flask_irl.training.forests.DETECTORS`.
        rows: Features of the site's own traffic, shape (n, n_features).
        seed: 0 to 2**32 - 1; the same training set gives the same detector.
        normal: Mask of the rows that a supervised detector learns as legitimate, shape (n,);
            empty for all of them.
        attacks: Features of clients that operators have called abusers, shape (m, n_features);
            empty for none.
        routes: The site's routes and their shares of requests, for simulated attacks.
        before: A detector whose newer trees may stay; None for none.
        simulated: Features of simulated attackers, shape (k, n_features); empty where they are yet
            to be simulated.
        share: Share of its trees to grow anew, the oldest ones; above 0, up to 1. Where it is of
            another kind or size, all are.

    Raises:
        ValueError: An argument has another shape or is out of its range.
    """

    kind: str
    rows: Rows
    seed: int
    normal: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    attacks: Rows = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    routes: Mapping[str, float] = field(default_factory=dict)
    before: Detector | None = None
    share: float = 1.0
    simulated: Rows = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed must be from 0 to {LARGEST_SEED}, not {self.seed}")
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"share must be above 0, up to 1, not {self.share}")
        shape = self.rows.shape
        if len(shape) != 2 or shape[1] < 1:
            raise ValueError(f"rows must have the shape (n, n_features), not {shape}")
        if self.normal.shape not in ((0,), shape[:1]):
            raise ValueError(f"normal must have the shape {shape[:1]}, not {self.normal.shape}")
        for name in ("attacks", "simulated"):
            own = getattr(self, name)
            if len(own) and own.shape[1:] != shape[1:]:
                raise ValueError(f"{name} must have the shape (m, {shape[1]}), not {own.shape}")

    def to_bytes(self) -> bytes:
        """Write the training set to bytes that :meth:`from_bytes` reads."""
        before = {} if self.before is None else self.before.to_arrays()
        return pack(
            {
                "kind": self.kind,
                "seed": self.seed,
                # In their order, by which simulated attackers draw them.
                "routes": [[*route] for route in self.routes.items()],
                "before": self.before and self.before.kind,
                "share": self.share,
            },
            {
                "rows": self.rows,
                "normal": self.normal.astype(np.uint8),
                "attacks": self.attacks,
                "simulated": self.simulated,
                **{_BEFORE + name: array for name, array in before.items()},
            },
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a training set that :meth:`to_bytes` wrote.

        Raises:
            ModelError: The bytes are damaged or hold another thing.
        """
        meta, arrays = unpack(data)
        before = {
            name.removeprefix(_BEFORE): array
            for name, array in arrays.items()
            if name.startswith(_BEFORE)
        }
        try:
            return cls(
                kind=meta["kind"],
                rows=arrays["rows"],
                seed=meta["seed"],
                normal=arrays["normal"].astype(bool),
                attacks=arrays["attacks"],
                simulated=arrays["simulated"],
                routes={str(route): float(share) for route, share in meta["routes"]},
                before=None if meta["before"] is None else detector_from(meta["before"], before),
                share=meta["share"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the bytes hold no training set: {error}") from None
