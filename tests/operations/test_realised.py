"""Test the rate at which a model has flagged, beside its target, on both stores."""

from __future__ import annotations

import pytest

from flask_irl.behaviour.rollups import MAXIMA, NOTHING, PLACE, Rollup
from flask_irl.operations.realised import RealisedRate
from flask_irl.stores.history import History
from tests.admin.site import model
from tests.operations.worker import Site, Worker


def note(worker: Worker, ago: int, version: int, **counts: int) -> None:
    """Count a minute of the site, so many minutes ago."""
    sums = list(NOTHING.sums)
    for name, count in counts.items():
        sums[PLACE[name]] = count
    maxima = tuple(version if name == "model_version" else 0 for name in MAXIMA)
    minute = int(worker.store.now()) // 60 * 60 - ago * 60
    worker.store.add_counts({}, None, History({(60, minute): Rollup(maxima, tuple(sums))}, {}))


def rate(worker: Worker) -> RealisedRate:
    return worker.operations.models.realised()


def test_only_minutes_of_the_model_in_force_count(site: Site, here: Worker) -> None:
    here.publish(model(), 3)
    note(here, 5, 2, allowed=1000, flagged=900, score_9=50)
    note(here, 2, 3, allowed=90, limited=10, flagged=5, score_0=30, score_5=8, score_9=2)
    note(here, 1440, 3, allowed=1000, flagged=900)
    found = rate(here)
    assert (found["requests"], found["held_share"]) == (100, 0.05)
    assert (found["judgements"], found["beyond_share"]) == (40, 0.25)
    assert found["since"] == int(here.store.now()) // 60 * 60 - 120
    assert found["target"] == here.limiter.options.false_flag_rate


@pytest.mark.parametrize(
    ("threshold", "beyond"), [(-0.5, 10), (-0.55, 6), (-0.9, 2), (-1.0, 0), (0.0, 40)]
)
def test_a_threshold_within_a_tenth_takes_a_part_of_it(
    site: Site, threshold: float, beyond: float
) -> None:
    worker = site.worker(anomaly_threshold=threshold)
    note(worker, 0, 0, score_0=30, score_5=8, score_9=2)
    assert rate(worker)["beyond_share"] == pytest.approx(beyond / 40)


def test_without_a_request_there_is_no_rate(site: Site, here: Worker) -> None:
    found = rate(here)
    assert (found["held_share"], found["beyond_share"], found["since"]) == (None, None, None)
