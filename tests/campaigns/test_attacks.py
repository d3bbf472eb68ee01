"""Name campaigns for attacks of many clients, and hold back those that are part of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from flask_irl.operations import Operations
from tests.campaigns.traffic import (
    HOUR,
    LOGIN,
    Requests,
    Sent,
    Site,
    address,
    hashed,
    people,
    rotation,
    stuffing,
)

Attack = Callable[[Random], Requests]


def in_network(rng: Random) -> str:
    """Draw a /64 of one network."""
    return f"2001:db8:77:{rng.randrange(65536):x}::/64"


def neighbour(rng: Random) -> str:
    """Draw an address of one small network."""
    return f"203.0.113.{rng.randrange(256)}"


STUFFING: dict[str, tuple[Attack, str]] = {
    "a few logins each": (lambda rng: stuffing(rng, 250, (1, 5), 1200), "direct"),
    "one login each": (lambda rng: stuffing(rng, 400, (1, 1), 1200), "direct"),
    "names without a network": (
        lambda rng: stuffing(rng, 250, (1, 5), 1200, name=hashed),
        "direct",
    ),
    "by the login page": (lambda rng: stuffing(rng, 500, (2, 5), 3000, page=True), "page"),
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", STUFFING)
def test_most_of_spread_stuffing_is_refused_and_people_notice_nothing(
    usual: bytes, attack: str
) -> None:
    requests, sort = STUFFING[attack]
    site = Site(usual).run(people(Random(2), 120, 0, 3000), requests(Random(3)))
    assert {campaign.subject for campaign in site.begun.values()} == {("login", LOGIN, sort)}
    assert site.share("stuffing", 401) >= 0.6
    assert site.share("person") == 0.0


ROTATION: dict[str, Attack] = {
    "a /64 every fifty requests": lambda rng: rotation(rng, in_network, seconds=1200),
    "an address of a /24, at any pace": lambda rng: rotation(
        rng, neighbour, each=(30, 70), shape="any", seconds=1200
    ),
    "names without a network": lambda rng: rotation(rng, hashed, seconds=2400),
    "over three routes": lambda rng: rotation(rng, in_network, routes=3, seconds=1200),
}


@pytest.mark.slow
def test_newcomers_are_not_held_down_while_a_model_only_advises(usual: bytes) -> None:
    site = Site(usual, min_clients=1000)
    model = replace(site.limiter.trainer.model, version=1, advisory=True)
    site.limiter.trainer.in_force.model = model
    site.run(people(Random(2), 120, 0, 1200), ROTATION["over three routes"](Random(3)))
    assert site.begun
    assert site.share("rotation") == 0.0


@pytest.mark.slow
def test_a_login_that_nobody_named_is_known_by_what_it_denies(usual: bytes) -> None:
    attack = [
        each._replace(route="/enter", path="/enter")
        for each in stuffing(Random(3), 250, (1, 5), 1200)
    ]
    site = Site(usual).run(people(Random(2), 120, 0, 1200), attack)
    assert {campaign.subject for campaign in site.begun.values()} == {("login", "/enter", "direct")}
    assert site.share("stuffing", 401) >= 0.6
    assert site.share("person") == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("attack", ROTATION)
def test_most_of_a_rotating_scraper_is_refused_and_people_notice_nothing(
    usual: bytes, attack: str
) -> None:
    site = Site(usual).run(people(Random(2), 120, 0, 1200), ROTATION[attack](Random(3)))
    assert site.begun
    assert site.share("rotation") >= 0.6
    assert site.share("person") == 0.0


@pytest.mark.slow
def test_slow_scraping_from_many_addresses_is_named_and_held_back(usual: bytes) -> None:
    def scraper(number: int) -> list[Sent]:
        rng = Random(number)
        client, start = address(rng), rng.uniform(0, 600)
        return [
            Sent(start + 15 * i, client, "/item/<id>", f"/item/{number}-{i}", kind="scraper")
            for i in range(100)
        ]

    site = Site(usual).run(people(Random(2), 120, 0, HOUR / 2), *map(scraper, range(40)))
    assert {c.subject for c in site.begun.values()} == {("site", "", "leafing")}
    assert site.share("scraper") >= 0.5
    assert site.share("person") == 0.0


def test_a_scan_spread_over_many_addresses_is_named(usual: bytes) -> None:
    def scanner(number: int) -> list[Sent]:
        rng = Random(number)
        client, start = address(rng), rng.uniform(0, 900)
        return [
            Sent(start + 8 * i, client, "unmatched", f"/{rng.random()}", "GET", 404, "scan")
            for i in range(10)
        ]

    site = Site(usual).run(people(Random(2), 120, 0, HOUR / 3), *map(scanner, range(60)))
    assert {c.subject.sort for c in site.begun.values()} == {"scanning"}
    assert site.share("person") == 0.0


def test_a_client_that_has_logged_in_well_or_has_a_history_is_let_through(usual: bytes) -> None:
    attack = list(stuffing(Random(3), 300, (2, 4), 1500))

    def regular() -> Requests:
        for number in range(60):
            yield Sent(30.0 * number, "10.9.9.9", "/item/<id>", f"/item/{number % 9}", kind="old")
        # Its password is mistyped, in the midst of the attack.
        for number in range(3):
            at = 1801.0 + 5 * number
            yield Sent(at, "10.9.9.9", LOGIN, LOGIN, "POST", 401, kind="old")

    def newcomer() -> Requests:
        yield Sent(50.0, "10.8.8.8", LOGIN, LOGIN, "POST", 200, kind="well")
        yield Sent(400.0, "10.8.8.8", LOGIN, LOGIN, "POST", 200, kind="well")

    late = [each._replace(at=each.at + 600) for each in attack]
    site = Site(usual).run(people(Random(2), 120, 0, 2400), attack, late, regular(), newcomer())
    assert site.begun
    assert (site.share("old"), site.share("well")) == (0.0, 0.0)


def test_a_campaign_ends_by_itself_when_it_is_over(usual: bytes) -> None:
    site = Site(usual).run(people(Random(2), 120, 0, 2400), stuffing(Random(3), 300, (1, 3), 900))
    assert site.begun
    assert site.running() == []


@pytest.mark.slow
def test_an_attack_that_goes_on_does_not_become_usual(usual: bytes) -> None:
    attack = (each for each in stuffing(Random(3), 500, (1, 3), HOUR) if each.at < HOUR)
    site = Site(usual).run(people(Random(2), 60, 0, HOUR), attack)
    assert [c.id for c in site.running()] == list(site.begun)


@pytest.mark.parametrize("options", [{"mode": "shadow"}, {"campaigns": False}])
def test_nobody_is_refused_in_shadow_mode_and_with_campaigns_switched_off(
    usual: bytes, options: dict[str, Any]
) -> None:
    site = Site(usual, **options).run(
        people(Random(2), 120, 0, 600), stuffing(Random(3), 200, (1, 3), 600)
    )
    assert bool(site.begun) == (options.get("mode") == "shadow")
    assert site.share("stuffing") == 0.0


def test_an_override_of_the_clients_own_goes_before_a_campaign(usual: bytes) -> None:
    site = Site(usual).run(people(Random(2), 120, 0, 400), stuffing(Random(3), 200, (1, 3), 400))
    assert site.running()
    overrides = Operations(site.limiter).overrides
    overrides.set("10.1.1.1", "allow", amount=0, seconds=600, reason="", who="ada")
    tries = [Sent(i, "10.1.1.1", LOGIN, LOGIN, "POST", 401, "allowed") for i in range(9)]
    others = [Sent(i, "10.1.1.2", LOGIN, LOGIN, "POST", 401, "other") for i in range(9)]
    site.run(tries, others)
    assert site.share("allowed") == 0.0
    assert site.share("other") > 0.7
