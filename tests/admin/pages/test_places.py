"""Test the views on traffic and on attacks, their exports, and the clients they lead to."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime

import pytest
from flask import Flask

from flask_irl.campaigns.incident import Incident, decode, encode
from flask_irl.operations import Operations
from flask_irl.operations.incidents import COLUMNS
from flask_irl.stores.history import DAY
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.verdicts.incident_watch import INCIDENTS
from flask_irl.verdicts.tallies import TOLD_SECONDS
from tests.admin.api import READ, make_app
from tests.admin.pages.visitor import Visitor
from tests.admin.site import KNOWN
from tests.conftest import Clock
from tests.operations.worker import Worker, override

SCAN = "search for paths that don't exist"
FORMULA = "a;=1+1"
HTML = "<img src=x onerror=alert(1)>\"'"


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def keep(worker: Worker, incident: Incident) -> str:
    """Keep an incident, as a watcher does; gives its id."""
    revision, data = worker.store.table(INCIDENTS)
    assert worker.store.put_table(INCIDENTS, revision, encode([incident, *decode(data)]))
    return incident.id


# Traffic


def test_each_row_leads_to_its_clients(visitor: Visitor) -> None:
    text = visitor.open("/traffic").text
    for address, found in (
        ("/admin/page/clients?route=unmatched", KNOWN),
        (f"/admin/page/client?id={KNOWN}", "guesses"),
        ("/admin/page/clients?q=203.0.113.0/24", KNOWN),
    ):
        assert f'href="{address}"' in text
        assert found in visitor.client.get(address).text


@pytest.mark.parametrize(("span", "since"), [("24h", 1), ("7d", 6), ("35d", 7), ("x", 1)])
def test_spans_are_a_day_a_week_or_all_that_is_kept(
    visitor: Visitor, worker: Worker, clock: Clock, span: str, since: int
) -> None:
    for _ in range(130):
        worker.ask("busy")
    worker.limiter.flush()
    text = visitor.open(f"/traffic?span={span}").text
    assert text.count('class="bar refused"') >= 1
    assert re.search(r"A bar is (an hour|a day), and times are UTC", text)
    begin = datetime.fromtimestamp((clock() // DAY - since) * DAY, UTC)
    assert f'Since <time datetime="{begin:%Y-%m-%dT%H:%M:%SZ}"' in text


def test_rankings_go_by_what_is_chosen(visitor: Visitor, worker: Worker, clock: Clock) -> None:
    clock.advance(TOLD_SECONDS)
    for _ in range(130):
        worker.ask("busy", "/a")
    worker.limiter.flush()

    def first(order: str) -> str:
        text = visitor.open(f"/traffic?by={order}").text
        found = re.search(r'id="client-ranked".*?data-key="([^"]*)"', text, re.DOTALL)
        return found[1] if found else ""

    assert [first(order) for order in ("requests", "refused", "nothing")] == ["busy"] * 3
    assert first("flagged") == KNOWN


def test_plans_lead_to_the_clients_that_are_assigned_one(
    visitor: Visitor, operations: Operations
) -> None:
    assert "plan-ranked" not in visitor.open("/traffic").text
    operations.plans.change({"plans": {"pro": "600/minute"}}, "ada")
    operations.plans.assign(KNOWN, "pro", seconds=60, reason="", who="ada")
    text = visitor.open("/traffic").text
    assert 'href="/admin/page/clients?plan=pro"' in text
    listed = visitor.open("/clients?plan=pro").text
    assert f"id={KNOWN}" in listed
    assert '<option value="pro" selected>' in listed
    assert f"id={KNOWN}" not in visitor.open("/clients?plan=other").text


@pytest.mark.parametrize("ranking", ["routes", "clients", "networks", "plans", "days"])
def test_rankings_are_exported_as_csv_and_json(
    visitor: Visitor, operations: Operations, ranking: str
) -> None:
    operations.plans.change({"plans": {"pro": "600/minute"}}, "ada")
    as_csv = visitor.open(f"/traffic/{ranking}.csv")
    assert as_csv.mimetype == "text/csv"
    assert as_csv.headers["Content-Disposition"] == f'attachment; filename="{ranking}-24h.csv"'
    assert as_csv.headers["Cache-Control"] == "no-store"
    as_json = visitor.open(f"/traffic/{ranking}.json?span=7d")
    assert as_json.mimetype == "application/json"
    assert f"{ranking}-7d.json" in as_json.headers["Content-Disposition"]
    found = json.loads(as_json.text)
    rows = rows_of(as_csv.text)
    assert found[-1].keys() == rows[-1].keys()
    assert sum(int(row["requests"]) for row in rows) == (0 if ranking == "plans" else 20)
    for path in (f"/traffic/{ranking}.xlsx", "/traffic/nothing.csv", "/traffic/total.csv"):
        assert visitor.open(path).status_code == 404


def test_an_export_has_more_than_the_view(visitor: Visitor, worker: Worker, clock: Clock) -> None:
    clock.advance(TOLD_SECONDS)
    for number in range(40):
        worker.ask(f"c{number:02}")
    worker.limiter.flush()
    assert visitor.open("/traffic").text.count('data-key="c') == 19
    assert len(rows_of(visitor.open("/traffic/clients.csv").text)) == 41


def test_what_a_stranger_has_chosen_is_no_formula_in_an_export(app: Flask, worker: Worker) -> None:
    visitor = Visitor(app)
    worker.ask("ada", FORMULA)
    worker.ask("ada", "=2+2")
    worker.limiter.flush()
    keep(worker, Incident("scraping", FORMULA, 1_700_000_000.0, 1_700_000_000.0, examples=("=3",)))
    text = visitor.open("/traffic/routes.csv").text + visitor.open("/incidents/all.csv").text
    for line in text.splitlines():
        for separator in ",;":
            cells = [cell.strip(' "') for cell in line.split(separator)]
            assert not [cell for cell in cells if cell[:1] in tuple("=+-@")], line
    assert "a;'=1+1" in text


def test_exports_are_those_of_a_session_that_reads(app: Flask) -> None:
    assert Visitor(app, READ).open("/traffic/clients.csv").status_code == 200
    assert Visitor(app, None).open("/traffic/clients.csv").status_code == 303
    answer = app.test_client().get("/admin/page/incidents/all.csv")
    assert KNOWN not in answer.text


# Attacks


def test_attacks_are_told_with_what_they_got(visitor: Visitor) -> None:
    text = visitor.open("/incidents").text
    assert SCAN in text.replace("&#39;", "'")
    assert "campaign on a login" in text
    assert "goes on" in text
    found = re.search(r'href="(/admin/page/clients\?incident=\w+)"', text)
    assert found
    listed = visitor.client.get(found[1]).text
    assert f"id={KNOWN}" in listed
    assert "Clients of an attack" in listed


def test_clients_of_an_attack_are_those_that_are_still_known(
    visitor: Visitor, worker: Worker
) -> None:
    begin = 1_700_000_000.0
    one = Incident(
        "flood", "", begin, begin + 60, begin + 90, clients=130, examples=("gone", KNOWN)
    )
    text = visitor.open(f"/clients?incident={keep(worker, one)}").text
    assert "130 in all, of which the first 2 are kept by name" in text
    assert f"id={KNOWN}" in text
    assert "id=gone" not in text
    assert "kept no more" in visitor.open("/clients?incident=00000000").text


def test_attacks_are_paged_and_exported_whole(visitor: Visitor, worker: Worker) -> None:
    for number in range(60):
        begin = 1_700_000_000.0 + number
        keep(worker, Incident("flood", f"/{number}", begin, begin, begin + 1))
    pages = [visitor.open(f"/incidents?page={n}").text for n in (1, 2)]
    assert [text.count("<tr data-key") for text in pages] == [50, 12]
    rows = rows_of(visitor.open("/incidents/all.csv").text)
    assert (len(rows), tuple(rows[0])) == (62, COLUMNS)
    found = json.loads(visitor.open("/incidents/all.json").text)
    assert (len(found), tuple(found[0])) == (62, COLUMNS)
    assert visitor.open("/incidents/all.pdf").status_code == 404


def test_without_attacks_the_view_says_so(clock: Clock) -> None:
    app = make_app(Worker(MemoryStore(clock=clock), {}).operations)
    assert "None is kept" in Visitor(app).open("/incidents").text
    assert "None." in Visitor(app).open("/traffic").text


def test_nothing_in_the_new_views_is_taken_for_html(app: Flask, worker: Worker) -> None:
    visitor = Visitor(app)
    worker.ask("ada", HTML)
    worker.ask(HTML)
    worker.limiter.flush()
    id = keep(worker, Incident("flood", HTML, 1.0, 1.0, 2.0, clients=1, examples=(HTML,)))
    override(worker, "block", "ada", reason=HTML, who=HTML)
    worker.limiter.label_of = lambda client: HTML
    for path in ("/traffic", "/traffic?by=refused", "/incidents", f"/clients?incident={id}", "/"):
        text = visitor.open(path).text
        assert HTML not in text
        assert "<img" not in text
    assert "<img" not in visitor.client.get("/admin/page/clients", query_string={"plan": HTML}).text
