"""Describe the rows that one detector is fitted on, and carry them to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.container import pack, unpack
from flask_irl.model.detectors import Rows

LARGEST_SEED = 2**32 - 1


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

    Raises:
        ValueError: An argument has another shape or is out of its range.
    """

    kind: str
    rows: Rows
    seed: int
    normal: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    attacks: Rows = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    routes: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed must be from 0 to {LARGEST_SEED}, not {self.seed}")
        shape = self.rows.shape
        if len(shape) != 2 or shape[1] < 1:
            raise ValueError(f"rows must have the shape (n, n_features), not {shape}")
        if self.normal.shape not in ((0,), shape[:1]):
            raise ValueError(f"normal must have the shape {shape[:1]}, not {self.normal.shape}")
        if len(self.attacks) and self.attacks.shape[1:] != shape[1:]:
            raise ValueError(
                f"attacks must have the shape (m, {shape[1]}), not {self.attacks.shape}"
            )

    def to_bytes(self) -> bytes:
        """Write the training set to bytes that :meth:`from_bytes` reads."""
        return pack(
            {"kind": self.kind, "seed": self.seed, "routes": dict(self.routes)},
            {
                "rows": self.rows,
                "normal": self.normal.astype(np.uint8),
                "attacks": self.attacks,
            },
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a training set that :meth:`to_bytes` wrote.

        Raises:
            ModelError: The bytes are damaged or hold another thing.
        """
        meta, arrays = unpack(data)
        try:
            return cls(
                kind=meta["kind"],
                rows=arrays["rows"],
                seed=meta["seed"],
                normal=arrays["normal"].astype(bool),
                attacks=arrays["attacks"],
                routes=meta["routes"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the bytes hold no training set: {error}") from None
