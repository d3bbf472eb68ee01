"""Test models, written and read back."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.errors import ModelError
from flask_irl.model.calibration import Calibration
from flask_irl.model.container import pack, unpack
from flask_irl.model.detectors import Detector, NullDetector
from flask_irl.model.model import Model, dump, load
from flask_irl.training.forests import fit_isolation_forest
from tests.model.test_weighing import rows_of_harm

SCHEMA = "features-1"
ROWS = np.random.default_rng(1).lognormal(size=(400, 3))
FOREST = fit_isolation_forest(ROWS[:300], trees=20, max_samples=64, seed=1)
DETECTORS: list[Detector] = [NullDetector(3), FOREST]
COUNTS = st.integers(0, 2**53 - 1)
TABLES = st.dictionaries(
    st.text(),
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.dictionaries(st.text(), st.floats(0, 1) | st.booleans() | st.none(), max_size=3)
    | st.lists(st.text(), max_size=3),
    max_size=3,
)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Draw a model of three features."""
    detector = draw(st.sampled_from(DETECTORS))
    return Model(
        version=draw(COUNTS),
        schema=draw(st.text()),
        features=tuple(draw(st.lists(st.text(), min_size=3, max_size=3))),
        trained_at=draw(st.floats(0, 1e12)),
        rows=draw(COUNTS),
        clients=draw(COUNTS),
        requests=draw(COUNTS),
        advisory=draw(st.booleans()),
        detector=detector,
        calibration=Calibration(((0.0, 0.0), (draw(st.floats(0.1, 0.9)), -0.5), (1.0, -1.0))),
        site=draw(TABLES),
        report=draw(TABLES),
    )


def trained() -> Model:
    return Model(
        version=3,
        schema=SCHEMA,
        features=("rate", "gap", "routes"),
        trained_at=1_700_000_000.5,
        rows=300,
        clients=40,
        requests=5000,
        advisory=False,
        detector=FOREST,
        calibration=Calibration(((0.3, 0.0), (0.6, -0.5), (1.0, -1.0))),
        site={"routes": {"/": 0.5}},
        report={"accepted": True},
    )


def changed_meta(**changed: Any) -> bytes:
    """Dump a model with other members; ``None`` removes one."""
    meta, arrays = unpack(dump(trained()))
    meta.update(changed)
    return pack({name: value for name, value in meta.items() if value is not None}, arrays)


@given(models())
def test_a_model_survives_dump_and_load(model: Model) -> None:
    copy = load(dump(model), schema=model.schema)
    for field in fields(model):
        if field.name != "detector":
            assert getattr(copy, field.name) == getattr(model, field.name)
    assert type(copy.detector) is type(model.detector)
    np.testing.assert_array_equal(copy.score(ROWS), model.score(ROWS))
    assert dump(copy) == dump(model)


def test_scores_are_the_detectors_calibrated() -> None:
    model = trained()
    scores = model.score(ROWS)
    np.testing.assert_array_equal(scores, model.calibration.apply(FOREST.score(ROWS)))
    assert np.all((scores >= -1.0) & (scores <= 0.0))
    assert model.score(np.array([[1e6, -1e6, 1e6]]))[0] < -0.5


def test_the_untrained_model_scores_everything_zero() -> None:
    model = Model.untrained(SCHEMA, ("a", "b"))
    assert (model.version, model.schema, model.features) == (0, SCHEMA, ("a", "b"))
    scores = model.score(np.array([[1e9, np.nan], [0.0, 1.0]]))
    assert scores.tolist() == [0.0, 0.0]


def test_the_untrained_model_survives_dump_and_load() -> None:
    model = Model.untrained(SCHEMA, ("a", "b"))
    assert load(dump(model), schema=SCHEMA) == model


def test_a_model_of_an_earlier_version_weighs_no_harm() -> None:
    assert load(changed_meta(harm_weight=None), schema=SCHEMA).harm_weight == 0.0


def test_only_features_that_tell_harm_can_be_weighed() -> None:
    with pytest.raises(ModelError, match="features that tell it"):
        load(changed_meta(harm_weight=0.1), schema=SCHEMA)


def test_whoever_moves_like_people_but_takes_ten_times_as_much_is_anomalous() -> None:
    names = FEATURE_NAMES
    curve = Calibration(((0.0, 0.0), (0.75, -0.5), (1.0, -1.0)))
    detector = NullDetector(len(names))
    with patch.object(NullDetector, "score", lambda self, rows: np.full(len(rows), 0.6)):
        model = replace(
            trained(), features=names, detector=detector, calibration=curve, harm_weight=0.1
        )
        people, scraper = model.score(rows_of_harm(1.0, 10.0)).tolist()
    assert people > -0.5 > scraper


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        trained().version = 4  # type: ignore[misc]


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="3 features"):
        trained().score(np.zeros((1, 4)))


def test_another_schema_is_refused_naming_both() -> None:
    with pytest.raises(ModelError, match=r"'features-1'.*'features-2'"):
        load(dump(trained()), schema="features-2")


@given(st.data())
def test_damage_is_refused(data: st.DataObject) -> None:
    damaged = bytearray(dump(Model.untrained(SCHEMA, ("a",))))
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ModelError):
        load(bytes(damaged), schema=SCHEMA)


def test_another_container_is_refused() -> None:
    with pytest.raises(ModelError, match="not a flask_irl model"):
        load(pack({"what": "answer"}, {}), schema=SCHEMA)


NO_NUMBER: list[object] = [None, {"a": 1}, [], "x", True, -1, 10**400]
WRONG: dict[str, list[object]] = {
    "version": [*NO_NUMBER, 1.5],
    "schema": [None, {"a": 1}, [], "x", 1.5, True, -1],
    "features": [None, {"a": 1}, [], "x", 1.5, True, -1],
    "trained_at": NO_NUMBER,
    "rows": [*NO_NUMBER, 1.5],
    "clients": [*NO_NUMBER, 1.5],
    "requests": [*NO_NUMBER, 1.5],
    "advisory": [None, {"a": 1}, [], "x", 1.5, 1],
    "detector": [None, {"a": 1}, [], "x", 1.5, True],
    "calibration": [None, {"a": 1}, [], "x", 1.5, True],
    "site": [None, [], "x", 1.5, True],
    "report": [None, [], "x", 1.5, True],
    "harm_weight": [{"a": 1}, [], "x", True, -1, 1.5, 10**400],
}


def test_every_member_is_tested() -> None:
    assert set(WRONG) == set(unpack(dump(trained()))[0]) - {"what"}


@pytest.mark.parametrize(
    ("name", "wrong"), [(name, wrong) for name, values in WRONG.items() for wrong in values]
)
def test_missing_members_and_wrong_types_are_refused(name: str, wrong: object) -> None:
    with pytest.raises(ModelError):
        load(changed_meta(**{name: wrong}), schema=SCHEMA)


def test_the_missing_member_is_named() -> None:
    with pytest.raises(ModelError, match="no member 'clients'"):
        load(changed_meta(clients=None), schema=SCHEMA)


def test_a_time_without_a_fraction_may_be_written_as_an_integer() -> None:
    assert load(changed_meta(trained_at=1_700_000_000), schema=SCHEMA).trained_at == 1.7e9


@pytest.mark.parametrize("features", [[], ["a", "b"], ["a", "b", "c", "d"], ["a", "b", 3]])
def test_names_that_do_not_fit_the_detector_are_refused(features: list[object]) -> None:
    with pytest.raises(ModelError, match="features"):
        load(changed_meta(features=features), schema=SCHEMA)


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(ModelError, match="'oracle'"):
        load(changed_meta(detector="oracle"), schema=SCHEMA)


def test_arrays_of_another_detector_are_refused() -> None:
    with pytest.raises(ModelError, match="'null' is made of"):
        load(changed_meta(detector="null"), schema=SCHEMA)


def test_a_wrong_calibration_is_refused() -> None:
    with pytest.raises(ModelError, match="knots must rise"):
        load(changed_meta(calibration=[[0.5, 0.0], [0.4, -1.0]]), schema=SCHEMA)


@pytest.mark.parametrize("name", ["version", "trained_at", "rows", "clients", "requests"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_numbers_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ModelError, match=f"{name} of a model"):
        replace(trained(), **{name: value})  # type: ignore[arg-type]


def test_tables_that_are_not_json_are_refused() -> None:
    with pytest.raises(ModelError, match="JSON"):
        dump(replace(trained(), site={"routes": {1, 2}}))


def test_a_calibration_that_is_level_scores_level() -> None:
    level = replace(trained(), calibration=Calibration(((0.0, -0.2), (1.0, -0.2))))
    assert set(level.score(ROWS).tolist()) == {-0.2}
