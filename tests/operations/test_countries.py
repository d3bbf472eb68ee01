"""Test the countries of clients as operators see them, with each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.operations.mail import as_html, as_text
from flask_irl.stores.history import DAY
from tests.address_file import write
from tests.operations.test_report import ask
from tests.operations.worker import Site, Worker, override

GERMAN, OTHER_GERMAN, FRENCH = "203.0.113.7", "2001:db8:de:1::/64", "198.51.100.1"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("countries") / "countries.mmdb")


@pytest.fixture
def here(site: Site, path: Path) -> Worker:
    return site.worker(country_file=str(path))


def clients(worker: Worker, country: str, **given: object) -> list[str]:
    entries, total = worker.operations.clients.ranked(country=country, **given)  # type: ignore[arg-type]
    assert len(entries) == total
    return [entry["client"] for entry in entries]


def test_requests_are_ranked_by_country_over_days_and_workers(
    site: Site, here: Worker, path: Path
) -> None:
    other = site.worker(country_file=str(path))
    ask(here, GERMAN, 12)
    ask(here, OTHER_GERMAN, 2)
    ask(here, "ada", 30)
    here.limiter.flush()
    site.clock.advance(DAY)
    ask(other, FRENCH, 5)
    ask(other, "192.0.2.1", 5)
    other.limiter.flush()
    for worker in (here, other):
        found = worker.operations.analytics.read(2)["countries"]
        told = [(each["name"], each["requests"], each["refused"]) for each in found]
        assert told == [("DE", 14, 2), ("FR", 5, 0)]
    assert [each["name"] for each in here.operations.analytics.read(2, "refused")["countries"]] == [
        "DE"
    ]
    assert [each["name"] for each in here.operations.analytics.read(1)["countries"]] == ["FR"]


def test_a_report_and_its_mail_have_the_countries(here: Worker) -> None:
    ask(here, GERMAN, 12)
    ask(here, FRENCH, 1)
    here.limiter.flush()
    here.flag(FRENCH)
    ask(here, FRENCH, 1)
    here.limiter.flush()
    report = here.operations.report(2)
    told = [
        (one["country"], one["refused_by_limits"], one["flagged"]) for one in report["countries"]
    ]
    assert told == [("DE", 2, 0), ("FR", 0, 1)]
    assert "\nDE  " in as_text(report, [])
    assert "<h2" in as_html(report, []) and ">DE</td>" in as_html(report, [])


def test_without_a_file_there_are_none_and_what_was_counted_stays(site: Site, here: Worker) -> None:
    without = site.worker()
    assert without.operations.clients.knows_countries is False
    ask(without, GERMAN)
    without.limiter.flush()
    report = without.operations.report(1)
    assert report["countries"] == []
    assert without.operations.analytics.read(1)["countries"] == []
    assert "Countries" not in as_text(report, [])
    site.clock.advance(10)
    ask(here, GERMAN, 3)
    here.limiter.flush()
    [found] = without.operations.analytics.read(1)["countries"]
    assert (found["name"], found["requests"]) == ("DE", 3)
    [entry] = without.operations.clients.ranked()[0]
    assert entry["country"] is None


def test_clients_are_filtered_by_country(here: Worker) -> None:
    for number, client in enumerate((GERMAN, OTHER_GERMAN, FRENCH, "ada", "192.0.2.1")):
        ask(here, client, number + 1)
    here.limiter.flush()
    assert clients(here, "DE") == [OTHER_GERMAN, GERMAN]
    assert clients(here, " fr ") == [FRENCH]
    assert clients(here, "AT") == []
    assert clients(here, "DE", sort="rate", ascending=True) == [GERMAN, OTHER_GERMAN]
    here.flag(GERMAN)
    assert clients(here, "DE", step=1) == [GERMAN]
    find = here.operations.clients.find
    assert [entry["client"] for entry in find("203", country="DE")[0]] == [GERMAN]
    assert find("203", country="FR") == ([], 0)
    assert {entry["client"] for entry in find(country="DE", everybody=True)[0]} == {
        GERMAN,
        OTHER_GERMAN,
    }


def test_a_network_of_many_clients_has_no_country(here: Worker) -> None:
    override(here, "block", "203.0.113.0/24")
    override(here, "block", GERMAN)
    entries, _ = here.operations.clients.ranked(order="overridden")
    assert {entry["client"]: entry["country"] for entry in entries} == {
        "203.0.113.0/24": None,
        GERMAN: "DE",
    }
    assert clients(here, "DE", order="overridden") == [GERMAN]


@pytest.mark.parametrize("country", ["", "D", "DEU", "D1", "ÄÖ", "D\n", "x" * 1000])
def test_another_text_than_a_code_is_refused(here: Worker, country: str) -> None:
    with pytest.raises(ConfigurationError, match=r"country is .*: give two letters, such as DE"):
        here.operations.clients.ranked(country=country)
    with pytest.raises(ConfigurationError, match="give two letters"):
        here.operations.clients.find("a", country=country)


def test_without_a_file_the_filter_says_what_is_missing(site: Site) -> None:
    with pytest.raises(ConfigurationError, match="give country_file first"):
        site.worker().operations.clients.ranked(country="DE")


def test_a_client_is_described_with_its_country(here: Worker) -> None:
    for client in (GERMAN, "ada"):
        ask(here, client)
    here.limiter.flush()
    found = [here.operations.clients.describe(client) for client in (GERMAN, "ada")]
    told = [(one["country"], one["country_name"]) for one in found if one]
    assert told == [("DE", "Germany"), (None, None)]
