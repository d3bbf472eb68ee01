"""Name campaigns of an autonomous system, whose addresses are in many small networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from flask_irl.campaigns.campaign import Campaign, Subject, Table
from flask_irl.campaigns.newcomers import SORTS
from flask_irl.campaigns.site_view import SiteView
from flask_irl.config.options import Options
from flask_irl.stores.open import open_store
from tests.address_file import EVERYWHERE, system, write
from tests.campaigns.traffic import Site, learned, people, rotation
from tests.conftest import Clock
from tests.operations.worker import ADA, Worker

HOSTING = "100.64.0.0/16"
SYSTEM = Subject("network", "AS64500", "taking")
INSIDE, OUTSIDE = "100.64.9.1", "203.0.113.9"
LOOK = 60.0
START = 1_700_000_000.0


@pytest.fixture
def systems(tmp_path: Path) -> str:
    records = dict.fromkeys(EVERYWHERE, system(64501)) | {HOSTING: system(64500)}
    return str(write(tmp_path / "systems.mmdb", records))


def hosted(rng: Random) -> str:
    """Draw an address of one provider, each of another small network."""
    return f"100.64.{rng.randrange(256)}.{rng.randrange(256)}"


def test_a_scraper_from_one_providers_networks_is_named_for_the_provider(
    systems: str,
) -> None:
    def run(site: Site) -> set[tuple[str, str]]:
        site.run(people(Random(2), 120, 0, 900), rotation(Random(3), hosted, seconds=900))
        return {(c.subject.kind, c.subject.target) for c in site.begun.values()}

    usual = learned(asn_file=systems)
    assert run(Site(usual, asn_file=systems)) == {("site", ""), ("network", "AS64500")}
    assert run(Site(usual)) == {("site", "")}


@pytest.fixture(params=["memory", "redis"])
def worker(request: pytest.FixtureRequest, clock: Clock, systems: str) -> Iterator[Worker]:
    """Make a worker on a store of each kind, with a campaign of one provider."""
    uri = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    options = {"base_limit": 1000, "asn_file": systems}
    worker = Worker(open_store(Options(storage_uri=uri), clock), options)
    campaign = Campaign(SYSTEM, clock.now, 40.5, 700.0)
    assert worker.store.put_campaigns(0, Table({SYSTEM: campaign}).encode())
    worker.limiter.refresh()
    yield worker
    worker.limiter.close()


def test_it_holds_newcomers_of_that_provider_alone_and_its_end_lets_them_go(
    worker: Worker, clock: Clock
) -> None:
    for number in range(12):
        for client in (INSIDE, OUTSIDE):
            worker.ask(client, "/item/<id>", 1000 + number)
        clock.advance(2.0)
    worker.limiter.flush()
    steps = [worker.operations.clients.describe(client) for client in (INSIDE, OUTSIDE)]
    assert [found and found["step"] for found in steps] == [2, 0]
    assert steps[0] is not None
    assert steps[0]["rules"][0].startswith("part of a campaign from AS64500 since ")
    [running] = worker.operations.campaigns.running()
    ended = worker.operations.campaigns.end(running["id"], ADA)
    assert ended is not None
    assert ended["released"] == 1


LEAFING = Subject("network", "AS64500", "leafing")


def looked(
    system: list[tuple[float, float] | None], busy: float = 1.0, leaf: float = 0.05
) -> dict[Subject, int]:
    """Look at a site each minute, and give the minutes for which each campaign ran.

    Args:
        system: Newcomers of one provider in each minute, and those of them that leaf; None while
            there is no file.
        busy: Multiple of the site's newcomers from the last hour on.
        leaf: Share of the site's two hundred newcomers in a minute that leaf.
    """
    rng = np.random.default_rng(5)
    view, table = SiteView(), Table()
    ran: dict[Subject, int] = {}
    for minute, own in enumerate(system):
        now = START + LOOK * minute
        many = busy if minute >= len(system) - 60 else 1.0
        leafing = float(rng.poisson(200 * leaf * many))
        counts = {Subject("site", "", sort): {"judged": 200.0 * many, "odd": 0.0} for sort in SORTS}
        counts[Subject("site", "", "leafing")] = {"judged": 200.0 * many, "odd": leafing}
        if own is not None:
            counts[LEAFING] = {"judged": own[0], "odd": own[1]}
        # As another worker would go on.
        view = SiteView.decode(view.encode())
        view.add([counts], now, table.campaigns)
        table = view.look(table, now).table
        for subject in table.campaigns:
            ran[subject] = ran.get(subject, 0) + 1
    return ran


QUIET: list[tuple[float, float] | None] = [(0.0, 0.0)] * 180
NO_FILE: list[tuple[float, float] | None] = [None] * 180
USUAL = (20.0, 12.0)


def test_few_among_many_are_named_where_they_are_of_one_provider() -> None:
    # The site has fifty in five minutes, and the provider ten.
    assert set(looked([*QUIET, *[(2.0, 2.0)] * 60])) == {LEAFING}


@pytest.mark.parametrize(("judged", "odd"), [(4.0, 2.0), (6.0, 2.0), (10.0, 2.0)])
def test_a_provider_half_of_whose_newcomers_move_otherwise_has_no_campaign(
    judged: float, odd: float
) -> None:
    expected = {LEAFING} if judged <= 2 * odd else set()
    assert set(looked([*QUIET, *[(judged, odd)] * 60])) == expected


@pytest.mark.parametrize("busy", [1.0, 10.0])
def test_a_carrier_of_most_of_the_people_has_none_however_busy_it_is(busy: float) -> None:
    rng = np.random.default_rng(7)
    minutes = [(120.0, float(rng.poisson(6))) for _ in range(240)]
    last = [(120.0 * busy, float(rng.poisson(6 * busy))) for _ in range(60)]
    assert looked([*minutes, *last], busy) == {}


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="from the site's first minute"),
        pytest.param(NO_FILE, id="when the file is given later"),
        pytest.param([USUAL] * 600 + [(0.0, 0.0)] * 600, id="after a night"),
        pytest.param([USUAL] * 300 + [(40.0, 24.0)] * 60, id="after a busy hour"),
    ],
)
def test_a_provider_that_was_always_so_has_none(before: list[tuple[float, float] | None]) -> None:
    assert looked([*before, *[USUAL] * 300]) == {}


def test_none_is_named_in_the_first_half_hour_with_a_file() -> None:
    assert looked([*NO_FILE, *[(10.0, 10.0)] * 25]) == {}
    assert set(looked([*NO_FILE, *[(0.0, 0.0)] * 40, *[(10.0, 10.0)] * 25])) == {LEAFING}


def test_one_ends_when_the_provider_is_as_usual_again() -> None:
    usual = (20.0, 6.0)
    ran = looked([*[usual] * 300, *[(60.0, 58.0)] * 10, *[usual] * 120])
    assert 10 <= ran[LEAFING] <= 45


def test_who_comes_slowly_for_a_day_makes_no_attack_usual() -> None:
    slowly: list[tuple[float, float] | None] = [
        (1.0, 1.0) if n % 12 == 0 else (0.0, 0.0) for n in range(24 * 60)
    ]
    assert LEAFING in looked([*slowly, *[(30.0, 30.0)] * 30])
