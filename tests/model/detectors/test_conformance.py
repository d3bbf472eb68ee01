"""Test that every detector keeps the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.container import pack, unpack
from flask_irl.model.detectors import (
    KINDS,
    BlendDetector,
    Detector,
    IsolationForestDetector,
    NullDetector,
    RandomForestDetector,
    detector_from,
)
from flask_irl.training.forests import fit_isolation_forest, fit_random_forest
from flask_irl.training.growing import grow_class_trees, grow_isolation_trees

WIDTH = 5


@cache
def forest() -> IsolationForestDetector:
    rows = np.random.default_rng(1).lognormal(size=(600, WIDTH))
    return fit_isolation_forest(rows, trees=30, max_samples=64, seed=1)


@cache
def random_forest() -> RandomForestDetector:
    random = np.random.default_rng(1)
    legitimate, attacks = (
        random.lognormal(size=(600, WIDTH)),
        random.lognormal(1.0, 1.0, (90, WIDTH)),
    )
    return fit_random_forest(legitimate, attacks, trees=20, seed=1)


def renewed() -> BlendDetector:
    """Make a blend of which a few trees of both forests were replaced."""
    random = np.random.default_rng(3)
    samples = random.lognormal(size=(6, 64, WIDTH)).astype(np.float32)
    classes = np.tile(np.arange(64) % 2.0, (6, 1))
    newer = grow_class_trees(samples, classes, random, depth=9, features=2, least=3)
    return replace(
        BlendDetector(forest(), random_forest(), (0.4, 0.8)),
        unusual=forest().renewed(grow_isolation_trees(samples, random)),
        attack=random_forest().renewed(newer),
    )


MAKERS: dict[str, Callable[[], Detector]] = {
    "null": lambda: NullDetector(WIDTH),
    "isolation_forest": forest,
    "random_forest": random_forest,
    "blend": lambda: BlendDetector(forest(), random_forest(), (0.4, 0.8)),
    "isolation_forest, renewed": lambda: renewed().unusual,
    "random_forest, renewed": lambda: renewed().attack,
    "blend, renewed": renewed,
}
ROWS = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    st.tuples(st.integers(0, 12), st.just(WIDTH)),
    elements={"allow_nan": True, "allow_infinity": True},
)


@pytest.fixture(params=list(MAKERS), scope="module")
def detector(request: pytest.FixtureRequest) -> Detector:
    return MAKERS[request.param]()


def ordinary_rows(count: int = 300) -> NDArray[np.float64]:
    return np.random.default_rng(2).lognormal(size=(count, WIDTH))


def part_of(name: str) -> str:
    """Name an array as in its own detector, of a blend's two."""
    return name.rpartition(".")[2]


def test_every_kind_is_tested() -> None:
    assert {name.partition(",")[0] for name in MAKERS} == set(KINDS)


def test_it_is_a_detector(detector: Detector) -> None:
    assert isinstance(detector, Detector)
    assert KINDS[detector.kind] is type(detector)
    assert detector.n_features == WIDTH
    assert 0.0 <= detector.floor <= 1.0


@given(rows=ROWS)
def test_scores_are_finite_and_from_0_to_1(detector: Detector, rows: NDArray[Any]) -> None:
    scores = detector.score(rows)
    assert scores.shape == (len(rows),)
    assert scores.dtype == np.float64
    assert np.all((scores >= 0.0) & (scores <= 1.0))


@given(rows=ROWS)
def test_the_input_is_not_modified(detector: Detector, rows: NDArray[Any]) -> None:
    before = rows.tobytes()
    rows.setflags(write=False)
    detector.score(rows)
    assert rows.tobytes() == before


@given(order=st.permutations(range(12)), cut=st.integers(0, 12))
def test_a_score_is_independent_of_its_batch(
    detector: Detector, order: list[int], cut: int
) -> None:
    rows = ordinary_rows(12)
    whole = detector.score(rows)
    parts = [detector.score(rows[order[:cut]]), detector.score(rows[order[cut:]])]
    np.testing.assert_array_equal(np.concatenate(parts), whole[order])


def test_a_score_is_the_same_alone_and_among_thousands(detector: Detector) -> None:
    rows = ordinary_rows(3001)
    whole = detector.score(rows)
    for index in (0, 1, 545, 546, 547, 3000):
        assert detector.score(rows[index : index + 1])[0] == whole[index]


def test_float32_and_float64_score_the_same(detector: Detector) -> None:
    rows = ordinary_rows().astype(np.float32)
    np.testing.assert_array_equal(detector.score(rows), detector.score(rows.astype(np.float64)))


def test_the_layout_in_memory_is_of_no_account(detector: Detector) -> None:
    rows = ordinary_rows()
    np.testing.assert_array_equal(
        detector.score(np.asfortranarray(rows)[::2]), detector.score(rows[::2].copy())
    )


@pytest.mark.parametrize(
    ("odd", "meant"),
    [
        (np.nan, 0.0),
        (np.inf, np.finfo(np.float32).max),
        (-np.inf, -np.finfo(np.float32).max),
        (1e300, np.finfo(np.float32).max),
    ],
)
def test_odd_numbers_count_as_the_nearest_ordinary_one(
    detector: Detector, odd: float, meant: float
) -> None:
    rows = ordinary_rows()
    rows[:, 2] = odd
    scores = detector.score(rows)
    rows[:, 2] = meant
    np.testing.assert_array_equal(scores, detector.score(rows))


def test_no_rows_give_no_scores(detector: Detector) -> None:
    assert detector.score(np.empty((0, WIDTH))).shape == (0,)


@pytest.mark.parametrize("shape", [(3, WIDTH - 1), (3, WIDTH + 1), (0, 0), (WIDTH,), (1, WIDTH, 1)])
def test_another_width_is_refused_by_name(detector: Detector, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError) as caught:
        detector.score(np.zeros(shape))
    assert str(shape) in str(caught.value)
    assert f"{WIDTH} features" in str(caught.value)


def test_arrays_and_container_bring_back_the_same_detector(detector: Detector) -> None:
    arrays = unpack(pack({}, detector.to_arrays()))[1]
    copy = detector_from(detector.kind, arrays)
    assert type(copy) is type(detector)
    np.testing.assert_array_equal(copy.score(ordinary_rows()), detector.score(ordinary_rows()))
    assert pack({}, copy.to_arrays()) == pack({}, detector.to_arrays())


def test_it_cannot_be_changed(detector: Detector) -> None:
    for field in fields(detector):  # type: ignore[arg-type]
        with pytest.raises(FrozenInstanceError):
            setattr(detector, field.name, None)


def test_it_does_not_share_memory_with_what_it_was_made_of(detector: Detector) -> None:
    arrays = {name: array.copy() for name, array in detector.to_arrays().items()}
    copy = type(detector).from_arrays(arrays)
    before = copy.score(ordinary_rows())
    for array in arrays.values():
        array[...] = 0
    np.testing.assert_array_equal(copy.score(ordinary_rows()), before)


def test_a_forest_keeps_views_of_a_container_and_not_of_what_may_change() -> None:
    data = pack({}, forest().to_arrays())
    arrays = unpack(data)[1]
    kept = IsolationForestDetector.from_arrays(arrays).to_arrays()
    assert all(kept[name] is arrays[name] for name in ("threshold", "left", "right"))
    # A view of bytes that somebody may change, though it is read-only itself.
    loaned = unpack(data)[1]
    threshold = np.frombuffer(bytearray(loaned["threshold"].tobytes()), dtype=np.float64)
    threshold.setflags(write=False)
    own = IsolationForestDetector.from_arrays({**loaned, "threshold": threshold}).to_arrays()
    assert not np.shares_memory(own["threshold"], threshold)


def test_changing_its_arrays_does_not_change_it(detector: Detector) -> None:
    before = detector.score(ordinary_rows())
    for array in detector.to_arrays().values():
        if array.flags.writeable:
            array[...] = 0
    np.testing.assert_array_equal(detector.score(ordinary_rows()), before)


def test_a_missing_array_is_refused(detector: Detector) -> None:
    for name in detector.to_arrays():
        arrays = detector.to_arrays()
        del arrays[name]
        with pytest.raises(ModelError, match=part_of(name)):
            type(detector).from_arrays(arrays)


def test_a_superfluous_array_is_refused(detector: Detector) -> None:
    with pytest.raises(ModelError, match="surplus"):
        type(detector).from_arrays({**detector.to_arrays(), "surplus": np.zeros(1)})


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int16])
def test_another_dtype_is_refused(detector: Detector, dtype: type[np.generic]) -> None:
    for name, array in detector.to_arrays().items():
        if array.dtype == dtype:
            continue
        changed = {**detector.to_arrays(), name: np.ones(array.shape, dtype)}
        with pytest.raises(ModelError, match=part_of(name)):
            type(detector).from_arrays(changed)


@pytest.mark.parametrize("count", [0, -1, 2**40])
def test_an_absurd_number_of_features_is_refused(detector: Detector, count: int) -> None:
    for name in detector.to_arrays():
        if name.endswith("n_features"):
            changed = {**detector.to_arrays(), name: np.array([count])}
            with pytest.raises(ModelError, match="n_features"):
                type(detector).from_arrays(changed)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"'oracle'.*null, isolation_forest"):
        detector_from("oracle", {})
