"""Test the measures of how a site's changes and trainings are followed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flask_irl.training.fit import fit_here
from loadtests import trainings
from loadtests.bench.cases.model import train
from loadtests.evaluation.adaptation import CHANGES, Course, adapt, sections
from loadtests.simulator.scenarios import EPOCH, legitimate_log, make_scene
from loadtests.simulator.scene import HOUR, Row
from loadtests.tables import as_text

HOURS = 0.3
AT = 0.15 * HOUR


def log_of(change: str) -> tuple[list[Row], list[Row]]:
    """Give a log that changes: what comes before, and after."""
    scene = make_scene("clean", 3, HOURS, "design")
    at = EPOCH + scene.begins * HOUR + AT
    rows = CHANGES[change](scene, AT)
    return [row for row in rows if row.ts < at], [row for row in rows if row.ts >= at]


@pytest.mark.parametrize("change", ["a new version", "a new page and call"])
def test_new_routes_are_asked_for_from_the_change_on(change: str) -> None:
    before, after = log_of(change)
    added = re.compile(r"^/live/|/(next|r2|beta|v9)/")
    assert not [row.path for row in before if added.search(row.path)]
    assert len([row.path for row in after if added.search(row.path)]) > 20


def test_twice_as_many_newcomers_come() -> None:
    scene = make_scene("clean", 3, HOURS, "design")
    at = EPOCH + scene.begins * HOUR + AT
    usual = legitimate_log(scene)
    before, after = log_of("twice as many newcomers")
    assert before == [row for row in usual if row.ts < at]
    old = {row.client for row in before}
    newcomers, more = ({row.client for row in rows} - old for rows in (usual, after))
    assert newcomers < more
    assert len(more) > 1.5 * len(newcomers)


def test_a_client_that_is_twice_as_fast_asks_for_the_same_in_half_the_time() -> None:
    gaps = []
    for rows in log_of("all twice as fast"):
        times = [row.ts for row in rows if row.label == "legit:poller"]
        gaps.append((times[-1] - times[0]) / len(times))
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize(
    ("odd", "minutes"),
    [({}, 0), ({3: 9}, 13), ({3: 9, 40: 9}, 50), ({59: 9}, None), ({-30: 99, 3: 1}, 0)],
    ids=["never odd", "at once", "again later", "until the end", "no odder than before"],
)
def test_a_site_is_usual_when_it_is_no_odder_than_before(
    odd: dict[int, int], minutes: int | None
) -> None:
    course = Course()
    course.requests.update(dict.fromkeys(range(-60, 60), 100))
    course.odd.update(odd)
    assert course.usual_after(60) == minutes


def test_a_change_that_is_never_usual_is_told_with_all_the_time_that_was_looked_at() -> None:
    result: dict[str, Any] = {
        **dict(change="a new version", seed=1, models=30, before=0.001, odd=[0.01] * 5),
        **dict(over_static=0.00002, flagged=7, last_flagged=3, usual_after=12, minutes=90),
    }
    results = [result, {**result, "usual_after": None}]
    line = as_text(*sections(results)).splitlines()[-1]
    assert line.split()[3:] == "2 0.10% 1.00% 1.00% 1.00% 1.00% 1.00% 51 90+ 14 0.002%".split()


def test_a_log_that_changes_is_replayed() -> None:
    found = adapt("twice as many newcomers", 3, "design", 0.2, 0.1 * HOUR)
    assert found["models"] >= 1
    assert 0.0 <= found["odd"][0] <= 1.0


def test_the_cost_of_trainings_is_told_for_a_day() -> None:
    site = train(25, 2.0)
    costs = {
        str(whole): trainings.measure(fit_here, site, whole=whole, times=1)
        for whole in (True, False)
    }
    assert costs["False"].size > 50_000
    line = as_text(*trainings.sections({"a tenth": trainings.Cost(0.3, 0.05, 0.002, 300_000, 999)}))
    assert line.splitlines()[-1].split()[2:] == "999 300 50 2.0 101 0.12% 300 173".split()
