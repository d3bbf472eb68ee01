"""Test the benchmark of the admin API and the operator's page."""

from __future__ import annotations

import pytest

from loadtests.bench.admin import PAGES, PATHS, main

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_each_endpoint_and_view_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--clients", "30", "--calls", "1"]) == 0
    told = capsys.readouterr().out
    assert "30 clients, 1 calls" in told
    for path in PATHS + PAGES:
        assert path.partition("{")[0] in told
