"""Test that a flood of strangers leaves no more in worker and Redis the longer it goes on."""

from __future__ import annotations

import pytest

from loadtests.bench import flood as program
from loadtests.bench.measure.flood import flood, flooded_app

HALF = 22_000
"""Requests after which every table of a bounded size is full."""
BLOCKS = 5000
"""Blocks of memory by which garbage and half-full tables make a worker look larger: a quarter of
one for each request of the second half."""


@pytest.mark.slow
def test_a_worker_on_redis_stays_as_large_as_it_is(redis_url: str) -> None:
    before, after = flood(flooded_app(redis_url), redis_url, [HALF, 2 * HALF])
    assert after.blocks - before.blocks < BLOCKS
    assert after.lines == before.lines
    # Clients are one small key each, that has an end; what the site keeps is bounded.
    assert (before.clients, after.clients) == (HALF, 2 * HALF)
    assert after.mortal
    assert after.client_bytes < 500 * after.clients
    assert after.site_keys <= 20
    # Redis enlarges its tables at one time or another; a megabyte is what all of them come to.
    assert after.site_bytes - before.site_bytes < 160_000


def test_a_worker_on_its_own_memory_forgets_the_oldest() -> None:
    app = flooded_app("memory://", storage_options={"max_clients": 500})
    before, after = flood(app, "", [1000, 2000])
    assert (before.clients, after.clients) == (500, 500)
    assert after.lines == before.lines


def test_the_program_prints_a_row_for_each_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--requests", "40"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[2:]] == ["10", "20", "30", "40"]
