"""Test that an attack that the model lets pass teaches the next one little."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import ABUSE, GOOD, pack_rows
from flask_irl.training.rows import HARMFUL_ROWS, TrainingRows, sort_rows

PLACE = FEATURE_NAMES.index("sustained_new_paths")
LEAST = 2.5


def rows_of(*clients: str, taking: float = 0.0, each: int = 10, **columns: Any) -> list[bytes]:
    """Make rows of clients that take so many new paths a minute; the rest of them is the same."""
    features = np.zeros((len(clients) * each, len(FEATURE_NAMES)), dtype=np.float32)
    features[:, PLACE] = taking
    names = [client for client in clients for _ in range(each)]
    at = np.arange(len(names), dtype=np.float64)
    return pack_rows(names, np.full(len(names), 5), at, features, **columns)


PEOPLE = rows_of(*(f"p{i}" for i in range(30)))


def learned(rows: TrainingRows, taking: float) -> int:
    """Count the rows that a detector is fitted or calibrated on, of those that take so much."""
    used = rows.own[rows.fit | rows.calibration]
    return int((used["features"][:, PLACE] == np.float32(taking)).sum())


def test_of_a_newcomer_that_does_harm_few_rows_are_learned() -> None:
    rows = sort_rows(PEOPLE + rows_of("x", "y", taking=LEAST))
    assert learned(rows, LEAST) == 2 * HARMFUL_ROWS
    assert learned(rows, 0.0) == 30 * 10


@pytest.mark.parametrize(
    ("taking", "columns"),
    [
        (LEAST * 0.9, {}),
        (LEAST, {"regular": True}),
        (LEAST, {"feedback": GOOD}),
    ],
    ids=["no harm", "a regular", "called good by an operator"],
)
def test_of_others_all_are(taking: float, columns: dict[str, Any]) -> None:
    assert learned(sort_rows(PEOPLE + rows_of("x", taking=taking, **columns)), taking) == 10


def test_short_bursts_of_many_people_are_learned_whole() -> None:
    bursts = rows_of(*(f"b{i}" for i in range(30)), taking=LEAST, each=HARMFUL_ROWS)
    assert learned(sort_rows(PEOPLE + bursts), LEAST) == len(bursts)


def test_an_abuser_s_rows_are_all_examples_of_attacks() -> None:
    rows = sort_rows(PEOPLE + rows_of("x", taking=LEAST, feedback=ABUSE))
    assert len(rows.attacks) == 10


def test_all_rows_still_tell_how_the_site_is_used() -> None:
    assert len(sort_rows(PEOPLE + rows_of("x", taking=LEAST)).own) == 31 * 10
