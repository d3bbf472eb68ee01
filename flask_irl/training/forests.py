"""Growing forests: the only module that imports scikit-learn, and only inside functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import TrainingRefused
from flask_irl.model.detectors import (
    BlendDetector,
    Detector,
    IsolationForestDetector,
    RandomForestDetector,
    Rows,
)
from flask_irl.model.detectors.base import clean_rows
from flask_irl.model.detectors.isolation_forest import average_path_length
from flask_irl.model.detectors.trees import LEAF, FlatTrees, levels_of
from flask_irl.training.attacks import simulated_rows

DETECTORS: Final = ("isolation_forest", "random_forest", "blend")
"""The kinds that can be trained."""
EACH: Final = 500
"""Rows of either class that a tree of a Random Forest is shown."""
DEPTH: Final = 10
ATTACK_TREES: Final = 40

_LARGEST_SEED = 2**32 - 1
_LARGEST_INT32 = 2**31 - 1


def fit_detector(
    kind: str,
    rows: Rows,
    *,
    trees: int = 100,
    max_samples: int = 256,
    seed: int,
    normal: NDArray[np.bool_] | None = None,
    attacks: Rows | None = None,
    routes: Mapping[str, float] | None = None,
) -> Detector:
    """Train a detector of a kind in this process.

    Args:
        kind: One of ``DETECTORS``.
        rows: Of the site's own legitimate traffic.
        trees: See :func:`fit_isolation_forest`, as for ``max_samples`` and ``seed``.
        max_samples: Rows per tree of the Isolation Forest.
        seed: 0 to 2**32 - 1.
        normal: Which rows a supervised detector learns as legitimate; all when it is None.
        attacks: Rows of clients that operators have called abusers.
        routes: The site's routes and their shares, for the attacks that are made up.

    Raises:
        TrainingRefused: There are too few rows, or scikit-learn is not installed.
        ValueError: An argument is out of its range.
    """
    if kind not in DETECTORS:
        raise ValueError(f"kind must be one of {', '.join(DETECTORS)}, not {kind!r}")
    if kind == "isolation_forest":
        return fit_isolation_forest(rows, trees=trees, max_samples=max_samples, seed=seed)
    clean = checked(rows, trees, max_samples, seed)
    legitimate = clean if normal is None or not normal.any() else clean[normal]
    made_up = simulated_rows(legitimate, routes or {}, seed)
    known = made_up if attacks is None or not len(attacks) else _joined(made_up, attacks)
    supervised = fit_random_forest(legitimate, known, trees=ATTACK_TREES, seed=seed)
    if kind == "random_forest":
        return supervised
    unusual = fit_isolation_forest(rows, trees=trees, max_samples=max_samples, seed=seed)
    scores = unusual.score(clean)
    low, high = float(np.median(scores)), float(scores.max())
    return BlendDetector(unusual, supervised, (low, max(high, low + 0.05)))


def fit_random_forest(
    legitimate: Rows, attacks: Rows, *, trees: int = ATTACK_TREES, seed: int
) -> RandomForestDetector:
    """Train a Random Forest (Breiman 2001) to tell attacks from legitimate rows.

    Each tree is shown as many rows of either class, drawn with replacement.

    Args:
        legitimate: Shape (n, n_features), n at least 1.
        attacks: Shape (m, n_features), m at least 1.
        trees: At least 1.
        seed: 0 to 2**32 - 1; the same rows and seed give the same forest.

    Raises:
        TrainingRefused: scikit-learn is not installed.
    """
    config_context, _, tree_class, _ = _scikit_learn()
    width = np.shape(legitimate)[1]
    classes = (clean_rows(legitimate, width), clean_rows(attacks, width))
    random = np.random.default_rng(seed)
    target = np.repeat([0, 1], EACH)
    grown = []
    with config_context(skip_parameter_validation=True, assume_finite=True):
        for _ in range(trees):
            shown = np.concatenate(
                [rows[random.integers(len(rows), size=EACH)] for rows in classes]
            )
            tree = tree_class(
                max_depth=DEPTH,
                max_features="sqrt",
                min_samples_leaf=3,
                random_state=int(random.integers(_LARGEST_INT32)),
            )
            tree.fit(shown, target, check_input=False)
            grown.append(tree.tree_)
    shares = []
    for tree in grown:
        weights = tree.value[:, 0, :]
        shares.append(weights[:, 1] / weights.sum(axis=1))
    return RandomForestDetector(_flat(grown, None, width, np.concatenate(shares)))


def _joined(made_up: NDArray[np.float32], known: Rows) -> NDArray[np.float32]:
    """Made-up attacks, and as many known ones, repeated where they are fewer."""
    clean = clean_rows(known, made_up.shape[1])
    return np.concatenate((made_up, np.resize(clean, (len(made_up), clean.shape[1]))))


def fit_isolation_forest(
    rows: Rows, *, trees: int = 100, max_samples: int = 256, seed: int
) -> IsolationForestDetector:
    """Train an Isolation Forest in this process.

    The forest is the one that ``IsolationForest(n_estimators=trees, max_samples=max_samples,
    random_state=seed).fit(rows)`` of scikit-learn 1.9 grows, tree by tree, in a fifth of the time:
    each tree is handed its own sample instead of all rows with weights.

    Args:
        rows: Shape (n, n_features), n at least 2; NaN and infinities as in
            :func:`flask_irl.model.detectors.base.clean_rows`.
        trees: Number of trees, at least 1.
        max_samples: Rows per tree, at least 2; all rows when there are fewer.
        seed: 0 to 2**32 - 1; the same rows and seed give the same forest.

    Raises:
        TrainingRefused: There are too few rows, or scikit-learn is not installed.
        ValueError: An argument is out of its range.
    """
    clean = checked(rows, trees, max_samples, seed)
    config_context, tree_class, _, draw = _scikit_learn()
    n_rows, n_features = clean.shape
    size = min(max_samples, n_rows)
    # The order of the draws below is that of IsolationForest.fit and BaseBagging._fit.
    random = np.random.RandomState(seed)
    targets: NDArray[np.float64] = random.uniform(size=(n_rows,))
    random.seed(seed)
    tree_seeds: NDArray[Any] = random.randint(_LARGEST_INT32, size=(trees,))
    estimator = tree_class(
        max_features=1, max_depth=math.ceil(math.log2(size)), random_state=random
    )
    grown = []
    with config_context(skip_parameter_validation=True, assume_finite=True):
        for tree_seed in tree_seeds:
            random.seed(tree_seed)
            splitter_seed = random.randint(_LARGEST_INT32)
            random.seed(tree_seed)
            draw(n_features, n_features, random_state=random)
            sample = draw(n_rows, size, random_state=random)
            sample.sort()
            random.seed(splitter_seed)
            estimator.fit(clean[sample], targets[sample], check_input=False)
            grown.append(estimator.tree_)
    return _detector(grown, None, n_features, size)


def export_isolation_forest(forest: Any) -> IsolationForestDetector:
    """Turn a fitted ``sklearn.ensemble.IsolationForest`` into a detector with the same scores.

    Args:
        forest: Fitted on dense rows; ``max_features`` below 1 is allowed, ``contamination`` is of
            no account.
    """
    return _detector(
        [estimator.tree_ for estimator in forest.estimators_],
        forest.estimators_features_,
        forest.n_features_in_,
        forest.max_samples_,
    )


def checked(rows: Rows, trees: int, max_samples: int, seed: int) -> NDArray[np.float32]:
    """The rows, clean.

    Raises:
        TrainingRefused: There are too few.
        ValueError: An argument is out of its range.
    """
    for name, number, low, high in (
        ("trees", trees, 1, _LARGEST_INT32),
        ("max_samples", max_samples, 2, _LARGEST_INT32),
        ("seed", seed, 0, _LARGEST_SEED),
    ):
        if not low <= number <= high:
            raise ValueError(f"{name} must be from {low} to {high}, not {number}")
    shape = np.shape(rows)
    if len(shape) != 2 or shape[1] < 1:
        raise ValueError(f"rows must have the shape (n, n_features), not {shape}")
    if shape[0] < 2:
        raise TrainingRefused(f"an Isolation Forest needs at least 2 rows, not {shape[0]}")
    return clean_rows(rows, shape[1])


def _scikit_learn() -> tuple[Any, Any, Any, Any]:
    try:
        import sklearn
        from sklearn.tree import DecisionTreeClassifier, ExtraTreeRegressor
        from sklearn.utils.random import sample_without_replacement
    except ImportError as error:
        raise TrainingRefused(
            f"training needs scikit-learn, which can't be imported ({error}): "
            'pip install "flask-irl[train]"'
        ) from error
    return (
        sklearn.config_context,
        ExtraTreeRegressor,
        DecisionTreeClassifier,
        sample_without_replacement,
    )


def _detector(
    grown: Sequence[Any],
    columns: Sequence[NDArray[Any]] | None,
    n_features: int,
    max_samples: int,
) -> IsolationForestDetector:
    """An Isolation Forest of scikit-learn's trees."""
    # A path: the cuts down to the leaf, and those that would part the rows left in it.
    left, right, feature, rows = (
        np.concatenate([getattr(tree, name) for tree in grown])
        for name in ("children_left", "children_right", "feature", "n_node_samples")
    )
    roots = _starts(np.array([tree.node_count for tree in grown]))
    offset = np.repeat(roots, [tree.node_count for tree in grown])
    leaf = left < 0
    paths = average_path_length(rows)
    levels = levels_of(np.where(leaf, LEAF, feature), left + offset, right + offset, roots)
    for depth, nodes in enumerate(levels):
        paths[nodes] += depth
    return IsolationForestDetector(_flat(grown, columns, n_features, paths), max_samples)


def _flat(
    grown: Sequence[Any],
    columns: Sequence[NDArray[Any]] | None,
    n_features: int,
    value: NDArray[np.float64],
) -> FlatTrees:
    """Lay scikit-learn's trees out flat; ``columns`` are the features each tree was shown."""
    counts = np.array([tree.node_count for tree in grown])
    roots = _starts(counts)
    left, right, feature, threshold = (
        np.concatenate([getattr(tree, name) for tree in grown])
        for name in ("children_left", "children_right", "feature", "threshold")
    )
    leaf = left < 0
    if columns is not None:
        first = np.repeat(_starts(np.array([len(shown) for shown in columns])), counts)
        feature = np.concatenate(columns)[first + np.where(leaf, 0, feature)]
    number = np.arange(len(leaf))
    offset = np.repeat(roots, counts)
    return FlatTrees(
        n_features=n_features,
        feature=np.where(leaf, LEAF, feature).astype(np.int16 if n_features < 2**15 else np.int32),
        threshold=np.where(leaf, 0.0, threshold),
        left=np.where(leaf, number, left + offset).astype(np.int32),
        right=np.where(leaf, number, right + offset).astype(np.int32),
        value=np.where(leaf, value, 0.0),
        roots=roots.astype(np.int32),
    )


def _starts(lengths: NDArray[Any]) -> NDArray[Any]:
    """Where each of several joined pieces starts."""
    starts: NDArray[Any] = np.cumsum(lengths) - lengths
    return starts
