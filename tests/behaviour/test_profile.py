"""Test profiles: requests in whatever batches add up to the same; nothing grows."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour import profile
from flask_irl.behaviour.events import events_of
from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA, matrix
from flask_irl.behaviour.folding import fold
from flask_irl.behaviour.observation import Observation
from flask_irl.behaviour.routes import is_login
from flask_irl.behaviour.sums import LONG, SHORT

START = 1_700_000_000.0


def seen(at: float, gap: float = -1.0, **changes: Any) -> Observation:
    plain = Observation("a", START + at, gap, "/", 1, "GET", 200, 1000, False)
    return plain._replace(**changes)


def folded(*batches: list[Observation]) -> profile.Records:
    records = profile.decode([b""])
    for batch in batches:
        fold(records, events_of([0] * len(batch), batch, {}))
    return records


def features(records: profile.Records) -> dict[str, float]:
    row = matrix(profile.view(records, 0.0, 0.0))[0]
    return dict(zip(FEATURE_NAMES, row.tolist(), strict=True))


def steady(count: int, gap: float, **changes: Any) -> list[Observation]:
    return [seen(i * gap, gap if i else -1.0, path=i, **changes) for i in range(count)]


@given(st.lists(st.floats(0, 99), min_size=2, max_size=40), st.integers(1, 39))
def test_one_batch_or_two_give_the_same_sums(moments: list[float], cut: int) -> None:
    # Within an epoch of the sketch, as a second's batch nearly always is.
    events = [seen(at, 1.0) for at in sorted(moments)]
    cut = min(cut, len(events) - 1)
    whole, parts = folded(events), folded(events[:cut], events[cut:])
    np.testing.assert_allclose(
        whole["sums"].astype(float), parts["sums"].astype(float), rtol=0.01, atol=0.05
    )


def test_the_order_within_a_batch_does_not_matter() -> None:
    events = steady(30, 2.0)
    shuffled = random.Random(1).sample(events, len(events))
    assert folded(events).tobytes() == folded(shuffled).tobytes()


@pytest.mark.parametrize(("name", "horizon"), [("recent", SHORT), ("n", LONG)])
def test_sums_fade_over_their_horizon(name: str, horizon: float) -> None:
    records = folded([seen(0), seen(0.0)], [seen(horizon)])
    assert profile.sums_of(records, name)[0] == pytest.approx(2 / np.e + 1, rel=0.01)


def test_a_record_stays_as_small_whatever_a_client_does() -> None:
    records = folded(*(steady(500, 0.01) for _ in range(20)))
    [blob] = profile.encode(records)
    assert len(blob) <= 12 + profile.RECORD.itemsize <= 188
    assert np.isfinite(records["sums"].astype(float)).all()


def test_sums_saturate_instead_of_overflowing() -> None:
    records = folded([seen(0, times=10**9)], [seen(1, times=10**9)])
    assert float(records["sums"].max()) <= profile.MAX_SUM
    assert np.isfinite(records["sums"].astype(float)).all()


def test_an_observation_that_stands_for_many_counts_as_many() -> None:
    one = folded([seen(0, times=7, refused=True)])
    assert int(one["total"][0]) == 7
    assert profile.sums_of(one, "refused")[0] == pytest.approx(7)


@pytest.mark.parametrize(
    "blob", [b"", b"x", bytes(profile.RECORD.itemsize), b"\xff" * profile.RECORD.itemsize]
)
def test_a_foreign_profile_begins_anew(blob: bytes) -> None:
    assert profile.decode([blob]).tobytes() == profile.decode([b""]).tobytes()


def test_a_profile_survives_packing() -> None:
    records = folded(steady(20, 3.0))
    assert profile.decode(profile.encode(records)).tobytes() == records.tobytes()


def test_intervals_are_in_seconds() -> None:
    values = features(folded(steady(200, 4.0)))
    assert np.expm1(values["interval_mean"]) == pytest.approx(4.0, rel=0.02)
    assert np.expm1(values["interval_deviation"]) < 0.5
    assert values["interval_entropy"] < 0.1


def test_an_unknown_gap_or_size_is_no_gap_and_no_size() -> None:
    records = folded([seen(0, -1.0, size=-1), seen(1, -1.0, size=-1)])
    assert profile.sums_of(records, "gaps")[0] == 0
    assert features(records)["size_mean"] == 0


def test_an_interval_that_is_no_number_counts_as_unknown() -> None:
    records = folded([seen(0, float("nan")), seen(1, 1.0)])
    assert profile.sums_of(records, "gaps")[0] == pytest.approx(1)
    assert np.isfinite(records["sums"].astype(float)).all()


@pytest.mark.parametrize(
    ("changes", "feature"),
    [
        ({"status": 401}, "denied_share"),
        ({"status": 404}, "missing_share"),
        ({"status": 400}, "bad_share"),
        ({"status": 500}, "failed_share"),
        ({"method": "POST"}, "write_share"),
        ({"method": "BREW"}, "probe_share"),
        ({"refused": True, "status": 429}, "refused_share"),
    ],
)
def test_requests_of_a_kind_have_their_share(changes: dict[str, Any], feature: str) -> None:
    events = [seen(i, 1.0, **(changes if i % 2 else {})) for i in range(40)]
    assert features(folded(events))[feature] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("paths", [20, 60, 150])
def test_new_paths_are_counted_though_the_sketch_is_small(paths: int) -> None:
    draw = random.Random(paths)
    events = [seen(i * 0.1, 0.1, path=draw.getrandbits(32)) for i in range(paths)]
    batches = [events[i : i + 10] for i in range(0, paths, 10)]
    values = profile.sums_of(folded(*batches), "new_paths")[0]
    assert values == pytest.approx(paths, rel=0.4)


def test_a_path_seen_before_is_not_new() -> None:
    again = [seen(i, 1.0, path=7) for i in range(50)]
    assert profile.sums_of(folded(again[:25], again[25:]), "new_paths")[0] < 1.1


SENT = {"method": "POST", "size": 100, "status": 201}


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        (SENT, False),
        (SENT | {"method": "PUT", "size": 0, "status": 204}, False),
        # The limiter refused it.
        (SENT | {"refused": True, "status": 429, "size": 5000}, False),
        # As an API that reads by POST answers.
        (SENT | {"size": 5000}, True),
        (SENT | {"size": -1}, True),
        (SENT | {"status": 404}, True),
        (SENT | {"method": "GET"}, True),
        ({"method": "GET", "refused": True, "status": 429}, True),
    ],
    ids=str,
)
def test_a_path_that_is_only_sent_to_is_not_taken(changes: dict[str, Any], taken: bool) -> None:
    records = folded(steady(20, 1.0, **changes))
    some = pytest.approx(20, rel=0.2) if taken else 0.0
    assert profile.sums_of(records, "new_paths")[0] == some
    assert profile.different_paths(records)[0] == some


def test_paths_are_new_again_after_two_epochs() -> None:
    records = folded([seen(0, path=7)], [seen(1000, 1.0, path=7)])
    assert profile.sums_of(records, "new_paths")[0] > 1.0


@pytest.mark.parametrize(
    ("route", "login"),
    [
        ("/login", True),
        ("/wp-login.php", True),
        ("/users/sign_in", True),
        ("/oauth/token", True),
        ("/api/v1/auth/login", True),
        ("/v2/authenticate", True),
        ("/api/sessions", True),
        ("SignIn", True),
        ("/auth", True),
        ("/login/help", False),
        ("/authors", False),
        ("/blog/index", False),
        ("/api/tokens/<id>/name", False),
        ("/obsession", False),
        ("/", False),
    ],
)
def test_a_login_is_recognised_by_the_name_of_its_route(route: str, login: bool) -> None:
    assert is_login(route) is login


def test_models_and_profiles_of_the_build_before_are_read_on() -> None:
    # Workers of both builds share them while an upgrade rolls through; another schema would begin
    # all profiles anew and leave static limits until the next training.
    assert SCHEMA == "6de28850"
