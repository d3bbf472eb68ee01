"""Test damaged profiles: a client with one begins anew, and spoils no other client's flush."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_irl.behaviour import profile
from flask_irl.stores.state import Update
from tests.conftest import Clock
from tests.verdicts.site import Site
from tests.verdicts.test_judge import model_of

MODEL = model_of(-0.4, hours=[hour / 8 for hour in range(24)], weekdays=[0.1] * 7)
VISITS = 9

FIELDS: Mapping[str, tuple[np.dtype[Any], int]] = profile.RECORD.fields or {}  # type: ignore[assignment]
"""Type and offset of each field."""


def damage(blob: bytes, **fields: Any) -> bytes:
    """Overwrite fields of a packed profile; bytes are put in as they are."""
    data = bytearray(profile.decode([blob]).tobytes())
    for name, value in fields.items():
        kind, offset = FIELDS[name]
        if isinstance(value, bytes):
            data[offset : offset + kind.itemsize] = value
        else:
            np.frombuffer(data, dtype=profile.RECORD)[name] = value
    [damaged] = profile.encode(np.frombuffer(data, dtype=profile.RECORD))
    return damaged


class Outcome(NamedTuple):
    """Hold all that a flush stored of the healthy client, and the other one's state."""

    healthy: tuple[int, float, bytes]
    rows: list[bytes]
    flagged: list[str]
    step: int
    score: float
    profile: bytes


def prepare() -> tuple[Site, bytes]:
    """Make a site with two clients that are known; give the second one's profile."""
    site = Site(Clock())
    site.use(MODEL)
    site.live(3, "healthy", "other", each=VISITS, new=False)
    [state] = site.store.load(["other"])
    assert state is not None
    return site, state.profile


def flush_beside(blob: bytes, *, step: int = 0, score: float = -0.1) -> Outcome:
    """Flush requests of a healthy client and of one whose state is as given."""
    site, _ = prepare()
    [other] = site.store.load(["other"])
    assert other is not None
    site.store.save([Update("other", other.revision, step, score, blob)], 3600)
    site.clock.advance(40)
    site.live(2, "healthy", "other", each=VISITS, new=False)
    healthy, other = site.store.load(["healthy", "other"])
    assert healthy is not None and other is not None
    return Outcome(
        (healthy.step, healthy.score, healthy.profile),
        site.store.rows(),
        site.store.ranked("flagged", 0, 9)[0],
        other.step,
        other.score,
        other.profile,
    )


VALID = prepare()[1]
ANEW = flush_beside(b"")
DAMAGES = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.binary(min_size=kind.itemsize, max_size=kind.itemsize)
            for name, (kind, _) in FIELDS.items()
        },
    ).map(lambda fields: damage(VALID, **fields)),
    st.binary(min_size=profile.RECORD.itemsize, max_size=profile.RECORD.itemsize).map(
        lambda data: damage(
            VALID,
            **{
                name: data[offset : offset + kind.itemsize]
                for name, (kind, offset) in FIELDS.items()
                if name != "schema"
            },
        )
    ),
    st.binary(min_size=len(VALID), max_size=len(VALID)),
    st.integers(0, len(VALID) - 1).map(lambda length: VALID[:length]),
)


@settings(max_examples=100)
@given(DAMAGES, st.integers(0, 127), st.floats())
def test_whatever_a_state_holds_other_clients_are_judged_as_ever(
    blob: bytes, step: int, score: float
) -> None:
    outcome = flush_beside(blob, step=step, score=score)
    assert outcome.healthy == ANEW.healthy
    assert set(ANEW.rows[:2]) <= set(outcome.rows)
    assert 0 <= outcome.step <= 3
    assert -1.0 <= outcome.score <= 0.0
    records = profile.decode([outcome.profile])
    assert profile.encode(records) == [outcome.profile]
    assert np.isfinite(records["sums"].astype(float)).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": 7},
        {"sums": np.nan},
        {"sums": np.inf},
        {"sums": -1.0},
        {"worst": np.nan},
        {"worst": -2.0},
        {"worst": 0.5},
        {"offences": np.nan},
        {"offences": -1.0},
        {"offences": np.inf},
        {"updated": np.nan},
        {"updated": -1.0},
        {"updated": 1e300},
        {"updated": 4e9},
        {"first": 2**32 - 1},
        {"stepped": 2**32 - 1},
        {"row_at": 2**32 - 1},
        {"row_total": 2**32 - 1},
    ],
    ids=str,
)
def test_a_damaged_profile_begins_anew(fields: dict[str, Any]) -> None:
    outcome = flush_beside(damage(VALID, **fields))
    assert profile.decode([outcome.profile])["total"].tolist() == [2 * VISITS]
    assert outcome.profile == ANEW.profile


def test_a_valid_profile_goes_on() -> None:
    outcome = flush_beside(VALID)
    assert profile.decode([outcome.profile])["total"].tolist() == [5 * VISITS]


def test_a_client_known_since_1970_is_judged_without_overflow() -> None:
    outcome = flush_beside(damage(VALID, first=1))
    assert outcome.healthy == ANEW.healthy
    assert profile.decode([outcome.profile])["first"].tolist() == [1]


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf, 7.0, -1e300])
def test_a_damaged_score_counts_as_none(score: float) -> None:
    assert flush_beside(VALID, score=score).score == flush_beside(VALID, score=0.0).score
