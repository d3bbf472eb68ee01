"""Whatever happens to the store: no request fails, no block lapses, and the store is back soon."""

from __future__ import annotations

import math

import pytest

from tests.faults.matrix import TIMEOUT, Row, measure, table_of, written_faults
from tests.faults.scenarios import SCENARIOS, Scenario

FAULT_SECONDS = 0.8
PAUSE = 0.01
BUSY = 1.5
"""Seconds that a busy machine may add to a wait, which is no test of the time."""


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_request_fails_and_no_override_lapses(scenario: Scenario) -> None:
    row = measure(scenario, FAULT_SECONDS, PAUSE)
    assert set(row.statuses) == {200}
    assert row.longest / 1000 < TIMEOUT + BUSY
    assert math.isfinite(row.back)
    assert set(row.blocked) == {429}
    assert "overrides" in row.kept
    if scenario.kept:
        assert set(row.kept) == {"counts", "profiles", "overrides"}
    if scenario.store:
        # A busy machine may be late now and then.
        assert row.others < 0.5


def test_the_page_has_every_fault() -> None:
    assert written_faults() == [scenario.name for scenario in SCENARIOS]


def test_a_row_tells_of_all_that_is_wrong() -> None:
    row = Row(
        "a fault",
        statuses={200: 1000, 500: 2},
        blocked={429: 5, 200: 1},
        others=0.25,
        usual=1.24,
        longest=51.6,
        kept=("profiles",),
        back=0.0,
    )
    assert table_of([row]).splitlines()[-1] == (
        "| a fault | 1,000 times 200, 2 times 500, **the blocked client got through** | 25% | "
        "52 ms (usually 1.2) | counts, overrides |  |"
    )
