"""Renew a forest tree by tree: grow the oldest anew on the present rows, without scikit-learn.

A forest's trees lie in the order of their age, since new ones are appended and old ones dropped
from the front. So no more is to be stored than the forest itself.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import numpy as np

from flask_irl.model.detectors import (
    BlendDetector,
    Detector,
    IsolationForestDetector,
    RandomForestDetector,
    Rows,
)
from flask_irl.model.detectors.base import clean_rows
from flask_irl.training.growing import grow_class_trees, grow_isolation_trees
from flask_irl.training.training_set import TrainingSet

_Forest = TypeVar("_Forest", IsolationForestDetector, RandomForestDetector)
# Apart from each other, and from the draws of the simulated attacks, of the same seed.
_UNUSUAL, _ATTACK = 1, 2


class Growth(NamedTuple):
    """Set how a Random Forest's tree is grown.

    Attributes:
        samples: Rows of either class that it is grown on.
        depth: Levels of cuts at most.
        least: Rows that a leaf has at least.
    """

    samples: int
    depth: int
    least: int


def before(training_set: TrainingSet, wanted: type[_Forest]) -> _Forest | None:
    """Find a forest whose newer trees may stay; None if all are to be grown anew.

    Args:
        training_set: Holds the detector before, if there is one.
        wanted: The forest's class.
    """
    old = training_set.before
    if old is None or training_set.share >= 1.0 or old.kind != training_set.kind:
        return None
    if old.n_features != training_set.rows.shape[1]:
        return None
    parts: tuple[Detector, ...] = (
        (old.unusual, old.attack) if isinstance(old, BlendDetector) else (old,)
    )
    return next((part for part in parts if isinstance(part, wanted)), None)


def renew_isolation_forest(
    forest: IsolationForestDetector, rows: Rows, *, share: float, seed: int
) -> IsolationForestDetector:
    """Grow the oldest trees of an Isolation Forest anew.

    Args:
        forest: The forest before.
        rows: The present rows, at least ``forest.max_samples``.
        share: Share of the trees, above 0, up to 1; at least one is grown.
        seed: 0 to 2**32 - 1; the same arguments give the same forest.
    """
    clean = clean_rows(rows, forest.n_features)
    random = np.random.default_rng((seed, _UNUSUAL))
    chosen = [
        random.choice(len(clean), size=forest.max_samples, replace=False)
        for _ in range(_count(share, forest.trees.n_trees))
    ]
    return forest.renewed(grow_isolation_trees(clean[np.array(chosen)], random))


def renew_random_forest(
    forest: RandomForestDetector,
    legitimate: Rows,
    attacks: Rows,
    growth: Growth,
    *,
    share: float,
    seed: int,
) -> RandomForestDetector:
    """Grow the oldest trees of a Random Forest anew, each on as many rows of either class.

    Args:
        forest: The forest before.
        legitimate: Shape (n, n_features), n at least 1.
        attacks: Shape (m, n_features), m at least 1.
        growth: How each tree is grown.
        share: Share of the trees, above 0, up to 1; at least one is grown.
        seed: 0 to 2**32 - 1; the same arguments give the same forest.
    """
    width, trees = forest.n_features, _count(share, forest.trees.n_trees)
    random = np.random.default_rng((seed, _ATTACK))
    samples = np.concatenate(
        [
            clean[random.integers(len(clean), size=(trees, growth.samples))]
            for clean in (clean_rows(legitimate, width), clean_rows(attacks, width))
        ],
        axis=1,
    )
    classes = np.tile(np.repeat([0.0, 1.0], growth.samples), (trees, 1))
    newer = grow_class_trees(
        samples,
        classes,
        random,
        depth=growth.depth,
        features=max(1, math.isqrt(width)),
        least=growth.least,
    )
    return forest.renewed(newer)


def _count(share: float, trees: int) -> int:
    # A product a hair above a whole number, as of 0.1 and 30, is that number.
    return min(trees, max(1, math.ceil(share * trees - 1e-9)))
