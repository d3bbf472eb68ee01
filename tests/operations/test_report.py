"""Test the report on some days: its counts, its groups of clients, and how it says them."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.model.model import Model
from flask_irl.operations.report import MOST_DAYS, Report
from flask_irl.operations.spreadsheet import FORMULA, as_csv
from flask_irl.stores.history import DAY
from flask_irl.verdicts.tallies import MOST_TOLD
from tests.operations.worker import Site, Worker

SHADOW = {"mode": "shadow", "base_limit": 10, "min_clients": 1}


def ask(worker: Worker, client: str, times: int = 1, status: int = 200, **more: Any) -> None:
    """Send requests that the app answers with a status, even those that are over the limit."""
    for _ in range(times):
        decision = worker.limiter.decide(worker.limiter.plan(()), (client,))
        fields = {"route": "/a", "path": 1, "method": "GET", "status": status, "size": 9, **more}
        worker.limiter.observe(decision, **fields)


def row(found: Report, client: str) -> dict[str, Any]:
    [one] = [row for row in found["clients"] if row["client"] == client]
    return {**one}


def test_refusals_of_the_app_and_of_the_limiter_are_told_apart_over_two_workers(
    site: Site,
) -> None:
    one, two = (site.worker(**SHADOW) for _ in range(2))
    ask(one, "app-alone", 3, 429)
    ask(two, "app-alone", 2, 429)
    ask(one, "limiter-alone", 10)
    ask(two, "limiter-alone", 4, 429)
    ask(one, "both", 10)
    ask(two, "both", 3, 429, answered=True)
    ask(two, "neither", 2)
    for worker in (one, two):
        worker.limiter.flush()
    found = one.operations.report()
    assert {client["client"]: client["group"] for client in found["clients"]} == {
        "app-alone": "app_only",
        "limiter-alone": "limiter_only",
        "both": "both",
    }
    told = ("requests", "refused_by_app", "refused_by_limits", "refused_by_both")
    assert [[row(found, name)[t] for t in told] for name in ("app-alone", "both")] == [
        [5, 5, 0, 0],
        [13, 3, 3, 3],
    ]
    assert [found[t] for t in told] == [34, 8, 7, 3]  # type: ignore[literal-required]
    [route] = found["routes"]
    assert (route["route"], route["requests"], route["refused_by_app"]) == ("/a", 34, 8)
    assert found == two.operations.report()


def test_requests_that_shadow_mode_let_pass_are_the_verdicts(site: Site) -> None:
    worker = site.worker(**SHADOW)
    ask(worker, "mallory")
    worker.limiter.flush()
    worker.flag("mallory", step=1)
    ask(worker, "mallory", 5)
    worker.limiter.flush()
    found = row(worker.operations.report(), "mallory")
    # At step 1 it would have three of ten, and has used one.
    assert (found["refused_by_verdict"], found["refused_by_limits"]) == (3, 0)
    assert (found["group"], found["flagged"], found["looks_like"]) == ("limiter_only", 5, "abuse")


def test_clients_look_like_people_only_where_a_model_is_in_force(
    site: Site, trained: Model
) -> None:
    worker = site.worker(**SHADOW)
    ask(worker, "ann", 2, 429)
    worker.limiter.flush()
    assert row(worker.operations.report(), "ann")["looks_like"] == "unknown"
    worker.publish(trained)
    found = worker.operations.report()
    assert row(found, "ann")["looks_like"] == "person"
    assert found["summary"] == (
        "In 7 days the app refused 2 requests of 1 client; this limiter refused or would have "
        "refused 0 requests of 0 clients. Both: 0. Only the app: 1 (1 like people). "
        "Only this limiter: 0 (none)."
    )


def test_days_are_apart_and_old_ones_are_left_out(site: Site) -> None:
    worker = site.worker(**SHADOW)
    for day in range(3):
        ask(worker, "ann", day + 1, 429)
        worker.limiter.flush()
        site.clock.advance(DAY)
    found = worker.operations.report(3)
    assert [day["refused_by_app"] for day in found["by_day"]] == [2, 3, 0]
    assert found["refused_by_app"] == row(found, "ann")["refused_by_app"] == 5
    assert found["since"] == found["until"] // DAY * DAY - 2 * DAY


@pytest.mark.parametrize("days", [0, -1, MOST_DAYS + 1])
def test_other_days_are_refused(site: Site, days: int) -> None:
    with pytest.raises(ConfigurationError, match=f"days is {days}: give 1 to 8"):
        site.worker().operations.report(days)


def test_clients_of_few_requests_are_told_in_later_flushes(site: Site) -> None:
    worker = site.worker(base_limit=1000)
    for number in range(MOST_TOLD + 20):
        ask(worker, f"c{number}", 1 + (number < MOST_TOLD), 429)
    worker.limiter.flush()
    assert worker.operations.report(listed=1000)["refused_by_app"] == 2 * MOST_TOLD + 20
    assert len(worker.operations.report(listed=1000)["clients"]) == MOST_TOLD
    ask(worker, "c0")
    worker.limiter.flush()
    assert len(worker.operations.report(listed=1000)["clients"]) == MOST_TOLD + 20


def test_an_attack_of_one_network_adds_up_there(site: Site) -> None:
    worker = site.worker(**SHADOW)
    for host in range(30):
        ask(worker, f"203.0.113.{host}", 1, 429)
    ask(worker, "key:abc", 2)
    worker.limiter.flush()
    [network] = worker.operations.report()["networks"]
    assert (network["network"], network["refused_by_app"]) == ("203.0.113.0/24", 30)


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1"],  # noqa: RUF001
)
def test_what_a_spreadsheet_takes_for_a_formula_is_quoted(name: str) -> None:
    [cell] = as_csv([{"client": name}], ["client"]).partition("\r\n")[2:]
    assert cell.startswith("'")
    assert cell.removesuffix("\r\n").isprintable()


@pytest.mark.parametrize("separator", [",", ";", "|"])
@pytest.mark.parametrize(
    "name",
    ["a;=1+1", "a; =1+1", 'a;"=1+1', 'a; " +1', "a;;@SUM(A1)", "a|-1", "a;b;=1", "a;＝1", '"=1'],  # noqa: RUF001
)
def test_however_a_spreadsheet_splits_a_line_no_cell_is_a_formula(
    name: str, separator: str
) -> None:
    rows = [{"client": "x", "why": name, "examples": [name, "=2"]}]
    text = as_csv(rows, ["client", "why", "examples"])
    for line in text.splitlines():
        cells = next(csv.reader([line], delimiter=separator))
        found = [cell.lstrip(' "') for cell in (*cells, *line.split(separator))]
        assert not [cell for cell in found if cell.startswith(FORMULA)], line


def test_csv_has_every_member_in_its_form() -> None:
    rows = [{"client": 'a,"b"', "at": 1_700_000_000.0, "n": -5, "why": None, "s": ["x", "y"]}]
    assert as_csv(rows, ["client", "at", "n", "why", "s"]).splitlines() == [
        "client,at,n,why,s",
        '"a,""b""",2023-11-14T22:13:20Z,-5,,x; y',
    ]
    assert as_csv([{"client": "a\udc80\0"}], ["client"]) == "client\r\na\\udc80\\x00\r\n"
