"""Test the countries of clients in the admin API."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_irl.stores.memory.store import MemoryStore
from tests.address_file import write
from tests.admin.api import Caller, make_app, problem_of
from tests.admin.site import KNOWN
from tests.conftest import Clock
from tests.operations.worker import Worker


@pytest.fixture
def worker(clock: Clock, tmp_path: Path) -> Worker:
    """Make a limiter that knows countries, with a client of each of two and one of none."""
    path = write(tmp_path / "countries.mmdb")
    worker = Worker(MemoryStore(clock=clock), {"country_file": str(path)})
    for client in (KNOWN, "198.51.100.1", "ada"):
        worker.ask(client)
    worker.limiter.flush()
    return worker


def test_clients_are_filtered_by_country(ask: Caller) -> None:
    for query, clients in (
        ("country=DE", [KNOWN]),
        ("country=fr&q=198", ["198.51.100.1"]),
        ("country=FR&q=203", []),
        ("country=AT", []),
    ):
        found = ask("GET", f"/admin/clients?{query}").json
        assert [entry["client"] for entry in found["clients"]] == clients
        assert found["total"] == len(clients)


@pytest.mark.parametrize("country", ["", "D", "DEU", "D1", "%C3%84%C3%96", "DE%0A", "-E"])
def test_another_text_than_a_code_is_refused_with_422(ask: Caller, country: str) -> None:
    problem_of(ask("GET", f"/admin/clients?country={country}"), 422)


def test_clients_and_reports_have_countries(ask: Caller) -> None:
    listed = ask("GET", "/admin/clients?sort=client&ascending=true").json["clients"]
    assert [entry["country"] for entry in listed] == ["FR", "DE", None]
    told = [ask("GET", f"/admin/client/{id}").json for id in (KNOWN, "ada")]
    assert [(one["country"], one["country_name"]) for one in told] == [
        ("DE", "Germany"),
        (None, None),
    ]
    countries = ask("GET", "/admin/report").json["countries"]
    assert {(one["country"], one["requests"]) for one in countries} == {("DE", 1), ("FR", 1)}


def test_without_a_file_the_filter_is_refused_with_what_is_missing(clock: Clock) -> None:
    worker = Worker(MemoryStore(clock=clock), {})
    ask = Caller(make_app(worker.operations).test_client())
    problem = problem_of(ask("GET", "/admin/clients?country=DE"), 422)
    assert "give country_file first" in problem["detail"]
    assert ask("GET", "/admin/report").json["countries"] == []
