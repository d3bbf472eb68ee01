"""Test the countries of clients on the operator's page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flask_irl.stores.memory.store import MemoryStore
from tests.address_file import COUNTRIES, FRENCH, maxmind, write
from tests.admin.api import make_app
from tests.admin.pages.test_places import rows_of
from tests.admin.pages.test_views import names_in
from tests.admin.pages.visitor import Visitor
from tests.conftest import Clock
from tests.operations.worker import Worker

GERMAN = "203.0.113.7"
HTML = "<img src=x onerror=alert(1)>\"'"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "countries.mmdb", {**COUNTRIES, FRENCH: maxmind("FR", HTML)})


@pytest.fixture
def visitor(path: Path, clock: Clock) -> Visitor:
    """Visit a site that knows countries, with clients of two and one of none."""
    worker = Worker(MemoryStore(clock=clock), {"country_file": str(path)})
    for _ in range(12):
        worker.ask(GERMAN)
    for client in ("198.51.100.1", "ada"):
        worker.ask(client)
    worker.limiter.flush()
    return Visitor(make_app(worker.operations))


def test_countries_are_ranked_and_lead_to_their_clients(visitor: Visitor) -> None:
    text = visitor.open("/traffic").text
    assert 'id="country-ranked"' in text
    assert text.index('data-key="DE"') < text.index('data-key="FR"')
    assert 'href="/admin/page/clients?country=DE"' in text
    assert "A country is a hint" in text
    listed = visitor.open("/clients?country=DE").text
    assert names_in(listed) == [GERMAN]
    assert 'name="country" value="DE"' in listed
    refused = visitor.open("/traffic?by=refused").text
    assert 'data-key="DE"' in refused and 'data-key="FR"' not in refused


def test_countries_are_exported(visitor: Visitor) -> None:
    rows = rows_of(visitor.open("/traffic/countries.csv").text)
    assert [(row["country"], row["requests"], row["refused"]) for row in rows] == [
        ("DE", "12", "2"),
        ("FR", "1", "0"),
    ]
    answer = visitor.open("/traffic/countries.json?by=refused")
    assert [row["country"] for row in json.loads(answer.text)] == ["DE"]


def test_the_filter_is_kept_when_the_list_is_sorted(visitor: Visitor) -> None:
    text = visitor.open("/clients?country=fr&sort=rate").text
    assert names_in(text) == ["198.51.100.1"]
    assert "country=fr&amp;sort=score" in text


def test_a_filter_that_is_none_is_told(visitor: Visitor) -> None:
    answer = visitor.client.get("/admin/page/clients", query_string={"country": HTML})
    assert "give two letters, such as DE" in answer.text
    assert HTML not in answer.text


def test_a_client_is_shown_with_its_country(visitor: Visitor) -> None:
    text = visitor.open(f"/client?id={GERMAN}").text
    assert "<bdi>Germany</bdi>" in text
    assert 'href="/admin/page/clients?country=DE"' in text
    assert "country=" not in visitor.open("/client?id=ada").text


def test_a_name_in_the_file_is_not_taken_for_html(visitor: Visitor) -> None:
    text = visitor.open("/client?id=198.51.100.1").text
    assert "&lt;img src=x" in text
    assert HTML not in text


def test_without_a_file_there_are_no_countries(clock: Clock) -> None:
    worker = Worker(MemoryStore(clock=clock), {})
    worker.ask(GERMAN)
    worker.limiter.flush()
    visitor = Visitor(make_app(worker.operations))
    assert 'name="country"' not in visitor.open("/clients").text
    assert "country-ranked" not in visitor.open("/traffic").text
    assert rows_of(visitor.open("/traffic/countries.csv").text) == []
