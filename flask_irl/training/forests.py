"""Grow whole forests with scikit-learn, which only this module imports, only inside functions."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import LibraryMissing, TrainingRefused
from flask_irl.model.detectors import (
    BlendDetector,
    Detector,
    IsolationForestDetector,
    RandomForestDetector,
    Rows,
)
from flask_irl.model.detectors.base import clean_rows
from flask_irl.training.attacks import KINDS, Kind, simulated_rows
from flask_irl.training.export import export_isolation_forest, export_random_forest
from flask_irl.training.renewal import (
    Growth,
    before,
    renew_isolation_forest,
    renew_random_forest,
)
from flask_irl.training.training_set import TrainingSet

DETECTORS: Final = ("isolation_forest", "random_forest", "blend")
"""The kinds that can be trained."""
TREES: Final = 100
"""Trees of an Isolation Forest."""
SAMPLES: Final = 256
"""Rows that each of them is grown on."""
ATTACK_TREES: Final = 60
"""Trees of a Random Forest."""
CLASS_SAMPLES: Final = 1000
"""Rows of either class that each of them is grown on, at most."""
DRAWN: Final = 0.5
"""Share of a site's rows that are drawn, of few ones: a row drawn again and again is learned by
heart, and tomorrow's aren't the same."""
FEWEST_DRAWN: Final = 32
DEPTH: Final = 8
LEAST_LEAF: Final = 3
"""Rows of such a tree's leaf."""
LEAST_SPAN: Final = 0.05
"""Span of the scores of a blend's Isolation Forest where all rows are alike."""

_LARGEST_INT32: Final = 2**31 - 1


def fit_detector(training_set: TrainingSet, kinds: Mapping[str, Kind] = KINDS) -> Detector:
    """Fit a detector in this process: a whole one, or the oldest trees of the one before.

    scikit-learn grows whole forests. The few trees that follow are grown without it, since its
    import alone costs more than they do.

    Args:
        training_set: Rows and the kind of the detector.
        kinds: Attacks that a supervised detector is taught, at least one.

    Raises:
        TrainingRefused: There are too few rows.
        LibraryMissing: scikit-learn is not installed, and a whole forest is to be grown.
        ValueError: There is no such kind of detector.
    """
    kind, rows = training_set.kind, training_set.rows
    if kind == "isolation_forest":
        return _fit_unusual(training_set)
    if kind == "random_forest":
        return _fit_attack(training_set, kinds)
    if kind == "blend":
        return blend(_fit_unusual(training_set), _fit_attack(training_set, kinds), rows)
    raise ValueError(f"kind must be one of {', '.join(DETECTORS)}, not {kind!r}")


def blend(unusual: Detector, attack: Detector, rows: Rows) -> Detector:
    """Blend the two forests that were fitted on a site's rows.

    Raises:
        ValueError: One of them is another detector.
    """
    if not isinstance(unusual, IsolationForestDetector):
        raise ValueError(f"an Isolation Forest is needed, not {unusual.kind}")
    if not isinstance(attack, RandomForestDetector):
        raise ValueError(f"a Random Forest is needed, not {attack.kind}")
    scores = unusual.score(rows)
    low, high = float(np.median(scores)), float(scores.max())
    return BlendDetector(unusual, attack, (low, max(high, low + LEAST_SPAN)))


def fit_isolation_forest(
    rows: Rows, *, trees: int = TREES, max_samples: int = SAMPLES, seed: int
) -> IsolationForestDetector:
    """Fit an Isolation Forest (Liu, Ting and Zhou 2008) in this process.

    Args:
        rows: Shape (n, n_features), n at least 2; NaN and infinities as in
            :func:`flask_irl.model.detectors.base.clean_rows`.
        trees: Number of trees, at least 1.
        max_samples: Rows per tree, at least 2; all rows when there are fewer.
        seed: 0 to 2**32 - 1; the same rows and seed give the same forest.

    Raises:
        TrainingRefused: There are too few rows.
        LibraryMissing: scikit-learn is not installed.
        ValueError: An argument is out of its range.
    """
    if len(rows) < 2:
        raise TrainingRefused(f"an Isolation Forest needs at least 2 rows, not {len(rows)}")
    if max_samples < 2:
        raise ValueError(f"max_samples must be at least 2, not {max_samples}")
    ensemble, _ = _scikit_learn()
    forest = ensemble.IsolationForest(
        n_estimators=trees, max_samples=min(max_samples, len(rows)), random_state=seed
    )
    return export_isolation_forest(forest.fit(clean_rows(rows, rows.shape[1])))


def fit_random_forest(
    legitimate: Rows, attacks: Rows, *, trees: int = ATTACK_TREES, seed: int
) -> RandomForestDetector:
    """Fit a Random Forest (Breiman 2001) to tell attacks from legitimate rows.

    Each tree is grown on as many rows of either class, drawn with replacement.

    Args:
        legitimate: Shape (n, n_features), n at least 1.
        attacks: Shape (m, n_features), m at least 1.
        trees: At least 1.
        seed: 0 to 2**32 - 1; the same rows and seed give the same forest.

    Raises:
        LibraryMissing: scikit-learn is not installed.
    """
    _, tree = _scikit_learn()
    width = legitimate.shape[1]
    classes = (clean_rows(legitimate, width), clean_rows(attacks, width))
    random = np.random.default_rng(seed)
    samples = _samples(legitimate)
    target = np.repeat([0, 1], samples)
    estimators = []
    for _ in range(trees):
        sample = np.concatenate(
            [rows[random.integers(len(rows), size=samples)] for rows in classes]
        )
        estimator = tree.DecisionTreeClassifier(
            max_depth=DEPTH,
            max_features="sqrt",
            min_samples_leaf=LEAST_LEAF,
            random_state=int(random.integers(_LARGEST_INT32)),
        )
        estimators.append(estimator.fit(sample, target))
    return export_random_forest(estimators)


def _samples(legitimate: Rows) -> int:
    """Give the number of rows of either class that a tree is grown on."""
    return min(CLASS_SAMPLES, max(FEWEST_DRAWN, int(DRAWN * len(legitimate))))


def _fit_unusual(training_set: TrainingSet) -> IsolationForestDetector:
    """Fit an Isolation Forest on all rows."""
    rows, seed = training_set.rows, training_set.seed
    old = before(training_set, IsolationForestDetector)
    if old is None or (old.trees.n_trees, old.max_samples) != (TREES, min(SAMPLES, len(rows))):
        return fit_isolation_forest(rows, seed=seed)
    return renew_isolation_forest(old, rows, share=training_set.share, seed=seed)


def simulate(training_set: TrainingSet, kinds: Mapping[str, Kind] = KINDS) -> Rows:
    """Simulate the attackers that a supervised detector learns from.

    Args:
        training_set: The site's own rows and routes, and the seed.
        kinds: Attacks by name, at least one.
    """
    return simulated_rows(_legitimate(training_set), training_set.routes, training_set.seed, kinds)


def _legitimate(training_set: TrainingSet) -> NDArray[np.float32]:
    rows = clean_rows(training_set.rows, training_set.rows.shape[1])
    return rows[training_set.normal] if training_set.normal.any() else rows


def _fit_attack(training_set: TrainingSet, kinds: Mapping[str, Kind]) -> RandomForestDetector:
    """Fit a Random Forest on legitimate rows, simulated attacks and as many known ones."""
    seed = training_set.seed
    legitimate = _legitimate(training_set)
    simulated = training_set.simulated
    simulated = simulated if len(simulated) else simulate(training_set, kinds)
    attacks = np.asarray(simulated, dtype=np.float32)
    if len(training_set.attacks):
        attacks = np.concatenate((attacks, _repeated(training_set.attacks, len(attacks))))
    old = before(training_set, RandomForestDetector)
    if old is None or old.trees.n_trees != ATTACK_TREES:
        return fit_random_forest(legitimate, attacks, seed=seed)
    growth = Growth(_samples(legitimate), DEPTH, LEAST_LEAF)
    return renew_random_forest(
        old, legitimate, attacks, growth, share=training_set.share, seed=seed
    )


def _repeated(rows: Rows, count: int) -> NDArray[np.float32]:
    clean = clean_rows(rows, rows.shape[1])
    return np.resize(clean, (count, clean.shape[1]))


def load_library() -> None:
    """Import scikit-learn, which takes longer than a training.

    Raises:
        LibraryMissing: It isn't installed.
    """
    _scikit_learn()


def _scikit_learn() -> tuple[ModuleType, ModuleType]:
    """Import the modules of ensembles and of trees."""
    try:
        from sklearn import ensemble, tree
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "sklearn"
        raise _missing("is not installed" if absent else f"can't be imported ({error})") from error
    return ensemble, tree


def check_library() -> None:
    """Check that scikit-learn is installed, without importing it.

    Raises:
        LibraryMissing: It isn't.
    """
    try:
        found = importlib.util.find_spec("sklearn") is not None
    except ValueError:
        found = False
    if not found:
        raise _missing("is not installed")


def _missing(why: str) -> LibraryMissing:
    return LibraryMissing(
        f'training needs scikit-learn, which {why}: pip install "flask-irl[train]"'
    )
