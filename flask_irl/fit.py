"""Training of detectors: the only place that imports scikit-learn, and only inside functions.

A web worker calls :func:`fit_in_child`: scikit-learn, scipy and joblib are then loaded by a child
process that ends with the training (``python -m flask_irl.fit``). Programs that train often and
serve nobody, like the replay of a log, call :func:`fit_isolation_forest`.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_irl.blob import pack, unpack
from flask_irl.detectors import IsolationForestDetector, Rows
from flask_irl.detectors.base import clean_rows
from flask_irl.detectors.isolation_forest import average_path_length
from flask_irl.detectors.trees import LEAF, FlatTrees, levels_of
from flask_irl.errors import ModelError, TrainingRefused

_LARGEST_SEED = 2**32 - 1
_LARGEST_INT32 = 2**31 - 1
_NICENESS = 10

# The secrets of a web worker's environment are none of the child's business.
_PASSED_ON = re.compile(
    r"HOME|LANG|LC_\w+|(DY)?LD_LIBRARY_PATH|PATH|SYSTEMROOT|TEMP|TMP|TMPDIR|VIRTUAL_ENV"
    r"|PYTHON(DONTWRITEBYTECODE|HOME|NOUSERSITE|PLATLIBDIR|PYCACHEPREFIX|USERBASE|UTF8)"
)
_SINGLE_THREAD = {
    f"{library}_THREADS": "1"
    for library in ("BLIS_NUM", "MKL_NUM", "OMP_NUM", "OPENBLAS_NUM", "VECLIB_MAXIMUM")
}


def fit_isolation_forest(
    rows: Rows, *, trees: int = 100, max_samples: int = 256, seed: int
) -> IsolationForestDetector:
    """Train an Isolation Forest in this process.

    The forest is the one that ``IsolationForest(n_estimators=trees, max_samples=max_samples,
    random_state=seed).fit(rows)`` of scikit-learn 1.9 grows, tree by tree, in a fifth of the time:
    each tree is handed its own sample instead of all rows with weights.

    Args:
        rows: Shape (n, n_features), n at least 2; NaN and infinities as in
            :func:`flask_irl.detectors.base.clean_rows`.
        trees: Number of trees, at least 1.
        max_samples: Rows per tree, at least 2; all rows when there are fewer.
        seed: 0 to 2**32 - 1; the same rows and seed give the same forest.

    Raises:
        TrainingRefused: There are too few rows, or scikit-learn is not installed.
        ValueError: An argument is out of its range.
    """
    clean = _checked(rows, trees, max_samples, seed)
    config_context, tree_class, draw = _scikit_learn()
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


def fit_in_child(
    rows: Rows, *, trees: int = 100, max_samples: int = 256, seed: int, timeout: float = 120.0
) -> IsolationForestDetector:
    """Train an Isolation Forest in a child process of low priority, and wait for it.

    Args:
        rows: See :func:`fit_isolation_forest`, as for ``trees``, ``max_samples`` and ``seed``.
        timeout: Seconds after which the child is killed.

    Raises:
        TrainingRefused: There are too few rows, scikit-learn is not installed, or the child
            crashed, took too long or answered with something else; says which.
        ValueError: An argument is out of its range.
    """
    clean = _checked(rows, trees, max_samples, seed)
    if not 0.0 < timeout < math.inf:
        raise ValueError(f"timeout must be a positive number of seconds, not {timeout}")
    request = pack({"trees": trees, "max_samples": max_samples, "seed": seed}, {"rows": clean})
    try:
        # On a time-out, or any other exception, run() kills the child and waits for its end. Its
        # own session keeps it out of the terminal's Ctrl-C, which is for the parent to handle.
        done = subprocess.run(  # noqa: S603
            _command(timeout),
            input=request,
            capture_output=True,
            close_fds=True,
            env=_environment(),
            start_new_session=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TrainingRefused(
            f"the training process was killed: it took more than {timeout:g} seconds"
        ) from None
    except OSError as error:
        raise TrainingRefused(f"the training process could not be started: {error}") from error
    if done.returncode != 0:
        raise TrainingRefused(
            f"the training process failed ({_ending(done.returncode)}): {_last_line(done.stderr)}"
        )
    try:
        detector = IsolationForestDetector.from_arrays(unpack(done.stdout)[1])
    except ModelError as error:
        raise TrainingRefused(f"the training process gave no usable answer: {error}") from error
    if (detector.n_features, detector.trees.n_trees) != (clean.shape[1], trees):
        raise TrainingRefused(
            f"the training process answered with {detector.trees.n_trees} trees over "
            f"{detector.n_features} features instead of {trees} over {clean.shape[1]}"
        )
    return detector


def main() -> int:
    """Be the child of :func:`fit_in_child`: request on stdin, answer on stdout, both containers.

    Returns:
        The exit status: 0, or 1 with the reason as the last line on stderr.
    """
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # Nobody kills this process when its parent dies first, so it ends itself.
    if hasattr(signal, "setitimer") and len(sys.argv) > 1:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
    # Whatever a library prints must not get into the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        parameters, arrays = unpack(sys.stdin.buffer.read())
        detector = fit_isolation_forest(arrays["rows"], **parameters)
    except (ModelError, TrainingRefused, KeyError, TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    try:
        with os.fdopen(answer, "wb") as stream:
            stream.write(pack({}, detector.to_arrays()))
    except BrokenPipeError:  # the parent is gone, and nobody is left to be told
        return 1
    return 0


def _checked(rows: Rows, trees: int, max_samples: int, seed: int) -> NDArray[np.float32]:
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


def _scikit_learn() -> tuple[Any, Any, Any]:
    try:
        import sklearn
        from sklearn.tree import ExtraTreeRegressor
        from sklearn.utils.random import sample_without_replacement
    except ImportError as error:
        raise TrainingRefused(
            f"training needs scikit-learn, which can't be imported ({error}): "
            'pip install "flask-irl[train]"'
        ) from error
    return sklearn.config_context, ExtraTreeRegressor, sample_without_replacement


def _detector(
    grown: Sequence[Any],
    columns: Sequence[NDArray[Any]] | None,
    n_features: int,
    max_samples: int,
) -> IsolationForestDetector:
    """Lay scikit-learn's trees out flat; ``columns`` are the features each tree was shown."""
    counts = np.array([tree.node_count for tree in grown])
    roots = _starts(counts)
    left, right, feature, threshold, rows = (
        np.concatenate([getattr(tree, name) for tree in grown])
        for name in ("children_left", "children_right", "feature", "threshold", "n_node_samples")
    )
    leaf = left < 0
    if columns is not None:
        first = np.repeat(_starts(np.array([len(shown) for shown in columns])), counts)
        feature = np.concatenate(columns)[first + np.where(leaf, 0, feature)]
    number = np.arange(len(leaf))
    offset = np.repeat(roots, counts)
    feature = np.where(leaf, LEAF, feature)
    left = np.where(leaf, number, left + offset)
    right = np.where(leaf, number, right + offset)
    # A path: the cuts down to the leaf, and those that would part the rows left in it.
    paths = average_path_length(rows)
    for depth, nodes in enumerate(levels_of(feature, left, right, roots)):
        paths[nodes] += depth
    trees = FlatTrees(
        n_features=n_features,
        feature=feature.astype(np.int16 if n_features < 2**15 else np.int32),
        threshold=np.where(leaf, 0.0, threshold),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        value=np.where(leaf, paths, 0.0),
        roots=roots.astype(np.int32),
    )
    return IsolationForestDetector(trees, max_samples)


def _starts(lengths: NDArray[Any]) -> NDArray[Any]:
    """Where each of several joined pieces starts."""
    starts: NDArray[Any] = np.cumsum(lengths) - lengths
    return starts


def _command(timeout: float) -> list[str]:
    # -P: a module lying in the working directory must not pass for one of ours. The warning that
    # is silenced is about the package having imported this module before it is run.
    quiet = "ignore::RuntimeWarning:runpy"
    return [_interpreter(), "-P", "-W", quiet, "-m", "flask_irl.fit", f"{timeout:g}"]


def _interpreter() -> str:
    # Within a server that embeds Python, like uWSGI, sys.executable is the server, or empty.
    if "py" in Path(sys.executable or "").name:
        return sys.executable
    return str(Path(sys.exec_prefix, "bin", "python3"))


def _environment() -> dict[str, str]:
    # The child finds modules where this process does, however it was told to.
    places = [place for place in sys.path if place and os.pathsep not in place]
    places.append(str(Path(__file__).resolve().parent.parent))
    passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    return {**passed_on, **_SINGLE_THREAD, "PYTHONPATH": os.pathsep.join(dict.fromkeys(places))}


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1][:500] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
