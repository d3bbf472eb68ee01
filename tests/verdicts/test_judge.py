"""Test verdicts: clients that the model may flag, excuses, and clients to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flask_irl.behaviour import jobs, profile
from flask_irl.behaviour.events import events_of
from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA, matrix
from flask_irl.behaviour.folding import fold
from flask_irl.behaviour.harm import harm_level
from flask_irl.behaviour.observation import Observation
from flask_irl.behaviour.routes import route_hash
from flask_irl.model.calibration import Calibration
from flask_irl.model.detectors import Rows
from flask_irl.model.model import Model
from flask_irl.verdicts.judge import TENURE_SECONDS, Verdicts, judge, regulars
from flask_irl.verdicts.ladder import FORGIVING_SECONDS, MILD, ladder_of
from flask_irl.verdicts.rules import Rules

START = 1_700_000_000.0
WEEK = 7 * 86_400.0
LADDER = ladder_of((0.3, 0.1, 0.0), 60.0, -0.5)


@dataclass(frozen=True)
class Constant:
    """Score every row the same."""

    raw: float
    kind = "constant"
    floor = 0.5
    n_features = len(FEATURE_NAMES)

    def score(self, rows: Rows) -> NDArray[np.float64]:
        return np.full(len(rows), self.raw)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        raise NotImplementedError


def model_of(raw: float, *, advisory: bool = False, **site: Any) -> Model:
    """Make a model, in force for a week, that scores every client ``raw``, 0 to -1."""
    return Model(
        version=1,
        schema=SCHEMA,
        features=FEATURE_NAMES,
        trained_at=START,
        rows=100,
        clients=50,
        requests=500,
        advisory=advisory,
        detector=Constant(-raw),
        calibration=Calibration(((0.0, 0.0), (1.0, -1.0))),
        site={"began": START - WEEK, **site},
    )


def client(
    pace: float = 60.0, *, new: bool = True, seconds: int = 60, **changes: Any
) -> profile.Records:
    """Make the profile of a client with a number of requests a minute, each for another path."""
    gap = 60.0 / pace
    plain = Observation("a", START, gap, "/items/<n>", 1, "GET", 200, 1000, False)
    requests = [
        plain._replace(at=START + i * gap, path=i * 7919 if new else 1, **changes)
        for i in range(int(seconds / gap))
    ]
    records = profile.decode([b""])
    for start in range(0, len(requests), 10):
        some = requests[start : start + 10]
        fold(records, events_of([0] * len(some), some, {}))
    return records


def regular(worst: float = 0.0) -> profile.Records:
    """Make the profile of a scraper of the site's own, known for the whole week."""
    records = client()
    records["first"] = START - WEEK
    records["minutes"] = 1000
    records["worst"] = worst
    return records


def judged(
    records: profile.Records,
    model: Model,
    *,
    step: int = 0,
    route: str = "/items/<n>",
    rules: Rules | None = None,
) -> Verdicts:
    many = len(records)
    return judge(
        model,
        LADDER,
        rules or Rules(),
        records,
        steps=np.full(many, step, dtype=np.int64),
        scores=np.zeros(many),
        elapsed=np.full(many, np.inf),
        routes=[route] * many,
        now=float(records["updated"].max()),
    )


def step_of(records: profile.Records, model: Model, **options: Any) -> int:
    [step] = judged(records, model, **options).steps
    return int(step)


def test_a_scraper_that_the_model_finds_anomalous_is_flagged() -> None:
    assert step_of(client(), model_of(-0.9)) == 1
    assert step_of(client(), model_of(-0.4)) == 0


def test_a_poller_of_one_path_is_left_in_peace_however_odd_it_looks() -> None:
    verdicts = judged(client(new=False, seconds=600), model_of(-1.0))
    assert (verdicts.steps[0], verdicts.scores[0]) == (0, MILD)


def test_a_poller_that_is_held_down_mends() -> None:
    records = client(pace=40, new=False, seconds=600)
    records["stepped"] = START
    assert step_of(records, model_of(-1.0), step=1) == 0


def test_a_client_at_a_lower_step_has_to_do_less_than_another() -> None:
    # More than half of what is harm, but not as much as harm.
    records = client(pace=75, new=False, seconds=600)
    records["stepped"] = START
    assert step_of(records, model_of(-0.9)) == 0
    assert step_of(records, model_of(-0.9), step=1) == 2


def test_a_few_requests_are_no_evidence() -> None:
    records = client(pace=400, seconds=1)
    assert step_of(records, model_of(-1.0)) == 0


# Regulars


@pytest.mark.parametrize(("worst", "step"), [(-0.8, 0), (-0.7, 1), (-0.1, 1)])
def test_a_regular_is_judged_by_its_own_past(worst: float, step: int) -> None:
    assert step_of(regular(worst), model_of(-0.9)) == step


def test_a_regular_that_no_model_has_judged_yet_is_learned_to_know() -> None:
    assert step_of(regular(), model_of(-0.9)) == 0


@pytest.mark.parametrize(
    ("share", "weeks", "step"), [(0.1, 1, 1), (0.5, 1, 0), (0.1, 8, 0), (1.0, 1, 0)]
)
def test_a_regular_that_creeps_is_judged_by_the_model_unless_it_takes_months(
    share: float, weeks: int, step: int
) -> None:
    records = regular(worst=-0.9)
    [level] = harm_level(matrix(profile.view(records, 0.0, 0.0)))
    records["level"], records["first"] = share * level, START - weeks * WEEK
    assert step_of(records, model_of(-0.9)) == step


@pytest.mark.parametrize(("share", "spared"), [(1.0, True), (0.22, True), (0.05, False)])
def test_the_harm_of_a_regular_adds_nothing_as_long_as_it_is_known_for_it(
    share: float, spared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No job's pauses are even enough, nor are those of this client.
    monkeypatch.setattr(jobs, "ONE_RUN", (0.0, -1.0))
    records = client(seconds=600)
    records["first"], records["minutes"], records["worst"] = START - WEEK, 1000, -0.1
    [level] = harm_level(matrix(profile.view(records, 0.0, 0.0)))
    records["level"] = share * level
    [score] = judged(records, replace(model_of(-0.4), harm_weight=0.1)).model_scores
    assert (score == pytest.approx(-0.4)) == spared


def test_a_regular_has_the_level_that_it_had_when_it_settled() -> None:
    newcomer, settled = client(), regular()
    newcomer["level"] = settled["level"] = 0.5
    [level] = harm_level(matrix(profile.view(newcomer, 0.0, 0.0)))
    assert level > 1
    assert judged(newcomer, model_of(-0.1)).levels == [level]
    assert judged(settled, model_of(-0.1)).levels == [0.5]
    settled["level"] = 0
    assert judged(settled, model_of(-0.1)).levels == [level]


def test_the_past_of_a_client_that_is_no_regular_excuses_nothing() -> None:
    records = regular(worst=-0.9)
    records["first"] = START - 3600
    assert step_of(records, model_of(-0.9)) == 1


def is_regular(minutes: int, seconds: float, age: float) -> bool:
    """Tell whether a client with some minutes in some seconds is a regular of a site of an age."""
    records = profile.decode([b""])
    records["minutes"], records["first"], records["updated"] = minutes, START - seconds, START
    [result] = regulars(records, START - age)
    return bool(result)


@pytest.mark.parametrize(
    ("minutes", "seconds", "age", "expected"),
    [
        (10, TENURE_SECONDS, WEEK, True),
        (9, TENURE_SECONDS, WEEK, False),
        (10, TENURE_SECONDS - 10, WEEK, False),
        (10, 1800, 3600, True),
        (10, 1790, 3600, False),
        (4, 300, 360, True),
        (3, 300, 360, False),
        (1, 60, 119, True),
        (1, 60, 120, False),
        (1, 0, 0, True),
        (0, 0, 0, False),
    ],
)
def test_a_regular_is_active_often_and_known_for_long(
    minutes: int, seconds: float, age: float, expected: bool
) -> None:
    assert is_regular(minutes, seconds, age) == expected


@given(st.integers(0, 1000), st.floats(0, WEEK), st.floats(0, WEEK))
def test_a_client_active_longer_and_more_often_is_a_regular_if_another_is(
    minutes: int, seconds: float, age: float
) -> None:
    if is_regular(minutes, seconds, age):
        assert is_regular(minutes + 5, seconds + 60, age)


@given(st.floats(0, 60), st.floats(1, 3600))
def test_a_client_of_the_first_minute_is_a_regular_whatever_the_second_of_the_start(
    second: float, age: float
) -> None:
    minutes = 1 + int((second + age) // 60)
    assert is_regular(minutes, age, age)


# Routes that machines work on

PACES = {str(route_hash("/hook")): 50.0}


@pytest.mark.parametrize(("gaps", "step"), [((1.0, 1.0), 0), ((0.1, 1.9), 1)])
def test_a_machine_there_pauses_evenly(gaps: tuple[float, float], step: int) -> None:
    records = profile.decode([b""])
    at = START
    for number in range(60):
        at += gaps[number % 2]
        one = Observation("a", at, gaps[number % 2], "/hook", number, "GET", 200, 1000, False)
        fold(records, events_of([0], [one], {}))
    assert step_of(records, model_of(-0.9, paces=PACES), route="/hook") == step


@pytest.mark.parametrize(
    ("pace", "route", "step"),
    [
        (75, "/hook", 0),
        (26, "/hook", 0),
        (24, "/hook", 1),
        (120, "/hook", 1),
        (75, "/items/<n>", 1),
    ],
)
def test_a_newcomer_at_a_machine_routes_usual_pace_is_left_in_peace(
    pace: float, route: str, step: int
) -> None:
    model = model_of(-0.9, paces=PACES)
    assert step_of(client(pace, seconds=300, route=route), model, route=route) == step


@pytest.mark.parametrize(("pace", "step"), [(75, 0), (20, 1)])
def test_a_newcomer_that_comes_again_after_a_break_is_left_in_peace_there(
    pace: float, step: int
) -> None:
    records = client(60, seconds=600, route="/hook")
    gap = 60.0 / pace
    plain = Observation("a", START + 3600, gap, "/hook", 1, "GET", 200, 1000, False)
    for number in range(100):
        # The first interval is the break since the run before.
        since = gap if number else 3000.0
        one = plain._replace(at=plain.at + number * gap, gap=since, path=9000 + number)
        fold(records, events_of([0], [one], {}))
    assert step_of(records, model_of(-0.9, paces=PACES), route="/hook") == step


def test_a_client_that_passes_through_a_machine_route_is_not_excused_there() -> None:
    model = model_of(-0.9, paces=PACES)
    assert step_of(client(60, seconds=300), model, route="/hook") == 1


# Work


@pytest.mark.parametrize(
    ("changes", "usual", "step"),
    [
        ({"method": "PUT"}, 0.1, 0),
        ({"method": "GET"}, 0.1, 1),
        ({"method": "PUT", "status": 403}, 0.1, 1),
        ({"method": "PUT", "size": 5000}, 0.1, 1),
        ({"method": "PUT"}, 0.4, 0),
        ({"method": "PUT", "pace": 400, "seconds": 300}, 0.1, 1),
    ],
    ids=["changes things", "reads", "may not", "is answered as usual", "many do here", "floods"],
)
def test_a_job_that_may_change_things_takes_nothing_away(
    changes: dict[str, Any], usual: float, step: int
) -> None:
    site = {"write_share": [usual, 1.0], "size_mean": [8.0, 10.0]}
    records = client(**{"pace": 60, "size": 100, **changes})
    assert step_of(records, model_of(-0.9, usual=site), rules=Rules(0, 0)) == step


# While the site is learned


def test_a_model_that_only_advises_flags_nobody() -> None:
    verdicts = judged(client(), model_of(-1.0, advisory=True))
    assert (verdicts.steps[0], verdicts.scores[0]) == (0, MILD)


@pytest.mark.parametrize(
    "model",
    [model_of(0.0, advisory=True), Model.untrained(SCHEMA, FEATURE_NAMES), model_of(0.0)],
    ids=["advising", "none", "finds nothing"],
)
def test_a_broken_rule_needs_no_model(model: Model) -> None:
    guesser = client(new=False, method="POST", status=401)
    verdicts = judged(guesser, model)
    assert (verdicts.steps[0], verdicts.scores[0], verdicts.broken[0]) == (1, -1.0, True)
    assert step_of(guesser, model, rules=Rules(0, 0)) == 0


# What may be learned


def test_nothing_may_be_learned_from_a_client_that_looks_like_an_attacker() -> None:
    for records in (client(), client(new=False)):
        assert judged(records, model_of(-0.6)).suspect[0]
        assert not judged(records, model_of(-0.4)).suspect[0]


def test_a_regular_that_is_as_ever_may_be_learned_from() -> None:
    assert not judged(regular(worst=-0.8), model_of(-0.9)).suspect[0]
    assert judged(regular(worst=-0.5), model_of(-0.9)).suspect[0]


def test_a_client_odd_to_an_advisory_model_may_be_learned_from() -> None:
    assert not judged(client(), model_of(-0.9, advisory=True)).suspect[0]


# Offences


def test_offences_are_forgotten_with_time() -> None:
    records = client()
    records["offences"] = 2
    records["stepped"] = records["updated"] - FORGIVING_SECONDS
    [offences] = judged(records, model_of(-0.9)).offences
    assert offences == pytest.approx(2 / np.e, rel=0.01)


def test_a_client_flagged_lately_is_sent_further_down_sooner() -> None:
    steps = []
    for offences in (0, 3):
        records = client()
        records["offences"] = offences
        records["stepped"] = records["updated"] - LADDER.steps[1].climb_seconds / 2
        steps.append(step_of(records, model_of(-0.9), step=1))
    assert steps == [1, 2]
