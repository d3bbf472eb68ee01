"""Test the endpoints on the site's history."""

from __future__ import annotations

import pytest

from flask_irl.operations.history import COUNTS
from tests.admin.api import Caller, problem_of
from tests.admin.site import KNOWN
from tests.conftest import Clock


@pytest.mark.parametrize(
    ("span", "periods", "seconds"),
    [("5m", 300, 1), ("1h", 360, 10), ("24h", 1440, 60), ("7d", 168, 3600), ("35d", 840, 3600)],
)
def test_history_is_told_in_columns(ask: Caller, span: str, periods: int, seconds: int) -> None:
    found = ask("GET", f"/admin/history?span={span}").json
    assert (len(found["requests"]), found["resolution_seconds"]) == (periods, seconds)
    assert found["requests"][-1] == 20
    assert found["counts"].keys() == set(COUNTS)
    assert found["since"].endswith("Z")
    assert len(found["scores"]) == len(found["score_bounds"]) == 10
    assert len(found["latencies"]) == len(found["latency_bounds"]) + 1 == 11


@pytest.mark.parametrize("query", ["span=2h", "span=", "since=1", "span=5m&span=1h&x=1"])
def test_another_span_is_refused_with_422(ask: Caller, query: str) -> None:
    problem_of(ask("GET", f"/admin/history?{query}"), 422)


def test_a_token_that_may_read_sees_history_and_report(
    ask_reading: Caller, ask_as_nobody: Caller
) -> None:
    for path in ("history", "report"):
        assert ask_reading("GET", f"/admin/{path}").status_code == 200
        problem_of(ask_as_nobody("GET", f"/admin/{path}"), 401)


def test_a_report_has_totals_days_and_lists(ask: Caller, clock: Clock) -> None:
    found = ask("GET", "/admin/report?days=2").json
    assert (found["requests"], found["refused_by_app"], found["days"]) == (20, 0, 2)
    assert [day["requests"] for day in found["by_day"]] == [0, 20]
    assert found["by_day"][1]["at"].endswith("T00:00:00Z")
    assert [client["client"] for client in found["top_clients"]] == [KNOWN]
    assert [network["network"] for network in found["networks"]] == ["203.0.113.0/24"]
    assert found["routes"][0]["route"] == "unmatched"


@pytest.mark.parametrize("query", ["days=0", "days=9", "days=x", "listed=0", "listed=1001"])
def test_a_report_on_other_days_is_refused_with_422(ask: Caller, query: str) -> None:
    problem_of(ask("GET", f"/admin/report?{query}"), 422)
