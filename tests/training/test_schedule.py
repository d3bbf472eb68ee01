"""Test the schedule of trainings: anything new is a reason, and much that is new renews more."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA
from flask_irl.model.model import Model
from flask_irl.training.schedule import is_outdated, share_to_renew

MODEL = replace(
    Model.untrained(SCHEMA, FEATURE_NAMES),
    version=7,
    rows=1000,
    advisory=False,
    report={"rows_seen": 5000},
)


@pytest.mark.parametrize(
    ("rows", "outdated"),
    [(5000, False), (5001, True), (9000, True), (4000, True), (0, True)],
    ids=["nothing new", "a row", "many", "begun anew", "emptied"],
)
def test_any_new_row_is_a_reason_to_train(rows: int, outdated: bool) -> None:
    assert is_outdated(MODEL, {"rows": rows}, 0.0, 3600.0) == outdated


def test_a_model_that_only_advised_is_trained_at_the_end_of_learning() -> None:
    model = replace(MODEL, advisory=True, site={"began": 100.0})
    reasons = [is_outdated(model, {"rows": 5000}, now, 3600.0) for now in (3699.0, 3700.0)]
    assert reasons == [False, True]


@pytest.mark.parametrize(
    ("new", "share"),
    [(0, 0.1), (1, 0.1), (20, 0.1), (50, 0.25), (199, 0.995), (200, 1.0), (9999, 1.0), (-1, 1.0)],
)
def test_no_tree_stays_for_longer_than_a_fifth_of_the_rows(new: int, share: float) -> None:
    assert math.isclose(share_to_renew(MODEL, {"rows": 5000 + new}, 1000), share)


@pytest.mark.parametrize("model", [None, Model.untrained(SCHEMA, FEATURE_NAMES)])
def test_without_a_model_all_trees_are_grown(model: Model | None) -> None:
    assert share_to_renew(model, {"rows": 5000}, 1000) == 1.0


def test_a_model_of_a_build_that_counted_no_rows_is_outdated() -> None:
    old = replace(MODEL, report={})
    assert is_outdated(old, {"rows": 5000}, 0.0, 3600.0)
    assert share_to_renew(old, {"rows": 5000}, 1000) == 1.0
