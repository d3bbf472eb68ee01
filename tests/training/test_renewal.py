"""Test the renewal of a forest: the oldest trees go first, and after ten trainings all are new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flask_irl.errors import LibraryMissing
from flask_irl.model.container import pack
from flask_irl.model.detectors import Detector, IsolationForestDetector, NullDetector
from flask_irl.training.fit import fit_here, fit_in_child
from flask_irl.training.forests import fit_isolation_forest
from flask_irl.training.schedule import LEAST_RENEWED
from flask_irl.training.training_set import TrainingSet
from tests.training.site import WIDTH


def training_set_of(kind: str, rows: int = 400, seed: int = 5, width: int = WIDTH) -> TrainingSet:
    random = np.random.default_rng(seed)
    features = random.exponential(size=(rows, width)).astype(np.float32)
    return TrainingSet(kind, features, seed, routes={"/": 0.75, "/b": 0.25})


def contents(detector: Detector) -> bytes:
    return pack({}, detector.to_arrays())


@pytest.fixture(scope="module")
def fitted() -> Callable[[str, int], Detector]:
    """Fit each detector once."""
    known: dict[tuple[str, int], Detector] = {}

    def fit(kind: str, seed: int) -> Detector:
        if (kind, seed) not in known:
            known[kind, seed] = fit_here(training_set_of(kind, seed=seed))
        return known[kind, seed]

    return fit


@pytest.mark.parametrize(
    ("kind", "share", "trainings"),
    [("isolation_forest", LEAST_RENEWED, 10), ("blend", 0.34, 3)],
)
def test_after_so_many_trainings_nothing_is_left_of_the_first(
    kind: str, share: float, trainings: int, fitted: Callable[[str, int], Detector]
) -> None:
    one, other = fitted(kind, 1), fitted(kind, 2)
    for seed in range(10, 10 + trainings):
        assert contents(one) != contents(other)
        later = replace(training_set_of(kind, seed=seed), share=share)
        one, other = (fit_here(replace(later, before=before)) for before in (one, other))
    assert contents(one) == contents(other)


def test_the_same_rows_seed_and_model_before_give_the_same_model(
    fitted: Callable[[str, int], Detector],
) -> None:
    later = replace(training_set_of("blend"), before=fitted("blend", 1), share=0.3)
    assert contents(fit_here(later)) == contents(fit_here(later))
    assert contents(fit_here(later)) != contents(fit_here(replace(later, seed=6)))


def test_a_larger_share_renews_more(fitted: Callable[[str, int], Detector]) -> None:
    before = fitted("isolation_forest", 1)
    probes = training_set_of("isolation_forest", seed=9).rows * 3.0

    def distance(share: float) -> float:
        rows = replace(training_set_of("isolation_forest"), rows=probes)
        after = fit_here(replace(rows, before=before, share=share))
        return float(np.abs(after.score(probes) - before.score(probes)).mean())

    assert distance(0.1) < distance(0.5) < distance(0.9)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(lambda: NullDetector(WIDTH), id="of another kind"),
        pytest.param(
            lambda: fit_here(training_set_of("isolation_forest", width=WIDTH - 1)), id="narrower"
        ),
        pytest.param(
            lambda: fit_here(training_set_of("isolation_forest", rows=100)), id="of smaller trees"
        ),
        pytest.param(
            lambda: fit_isolation_forest(
                training_set_of("isolation_forest").rows, trees=90, seed=1
            ),
            id="of fewer trees",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_replaced_as_a_whole(before: Callable[[], Detector]) -> None:
    wanted = training_set_of("isolation_forest")
    renewed = fit_here(replace(wanted, before=before(), share=0.1))
    assert contents(renewed) == contents(fit_here(wanted))


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share must be above 0, up to 1"):
        replace(training_set_of("blend"), share=share)


def test_a_training_set_takes_the_model_before_along(
    fitted: Callable[[str, int], Detector],
) -> None:
    written = replace(training_set_of("blend"), before=fitted("blend", 1), share=0.2)
    read = TrainingSet.from_bytes(written.to_bytes())
    assert read.share == 0.2
    assert read.before is not None
    assert contents(read.before) == contents(fitted("blend", 1))


def test_a_child_renews_alike_and_needs_neither_scikit_learn_nor_flask(
    fitted: Callable[[str, int], Detector], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sklearn", "flask", "redis", "apscheduler"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} costs CPU')")
    later = replace(training_set_of("blend"), before=fitted("blend", 1), share=0.1)
    here = fit_here(later)
    monkeypatch.syspath_prepend(tmp_path)
    assert contents(fit_in_child(later)) == contents(here)
    with pytest.raises(LibraryMissing, match="sklearn costs CPU"):
        fit_in_child(replace(later, share=1.0))


def test_trees_of_few_rows_give_way_once_there_are_more() -> None:
    few = fit_here(training_set_of("isolation_forest", rows=100))
    more = fit_here(replace(training_set_of("isolation_forest"), before=few, share=0.1))
    assert isinstance(few, IsolationForestDetector)
    assert isinstance(more, IsolationForestDetector)
    assert (few.max_samples, more.max_samples) == (100, 256)
