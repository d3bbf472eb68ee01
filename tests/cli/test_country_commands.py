"""Test the countries of clients in the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.address_file import write
from tests.cli.shell import LIMIT, Make, Site

GERMAN, FRENCH = "203.0.113.7", "198.51.100.1"


@pytest.fixture(params=["memory", "redis"])
def known(
    request: pytest.FixtureRequest, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Site:
    """Make a site that the environment gives a file, with clients of two countries and of none."""
    monkeypatch.setenv("IRL_COUNTRY_FILE", str(write(tmp_path / "countries.mmdb")))
    memory = request.param == "memory"
    site = make("memory://" if memory else request.getfixturevalue("redis_url"))
    site.ask(GERMAN, LIMIT + 2)
    for client in (FRENCH, "ada"):
        site.ask(client)
    site.engine.flush()
    return site


def test_clients_are_filtered_by_country(known: Site) -> None:
    assert [entry["client"] for entry in known.json("clients", "--country", "de")] == [GERMAN]
    assert [entry["client"] for entry in known.json("find", "198", "--country", "FR")] == [FRENCH]
    assert "no ranked client" in known.failed("find", "198", "--country", "DE")
    assert "two letters" in known.misused("clients", "--country", "Germany")
    assert known.json("clients", "--country", "FR")[0]["country"] == "FR"


def test_a_client_is_shown_with_its_country(known: Site) -> None:
    assert "Germany (DE)" in known.done("client", GERMAN)
    assert "country" not in known.done("client", "ada")


def test_refused_countries_are_reported(known: Site) -> None:
    shown = known.done("report").splitlines()
    [place] = [number for number, line in enumerate(shown) if line.startswith("country ")]
    assert [line.split()[0] for line in shown[place + 2 :]] == ["DE"]
    assert {one["country"] for one in known.json("report")["countries"]} == {"DE", "FR"}
    assert "Countries with most requests" in known.done("report", "--text")


def test_without_a_file_the_filter_says_what_is_missing(local: Site) -> None:
    assert "give country_file first" in local.misused("clients", "--country", "DE")
