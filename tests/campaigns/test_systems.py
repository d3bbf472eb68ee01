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
from tests.address_file import GERMAN, system, write
from tests.campaigns.traffic import Site, people, rotation
from tests.conftest import Clock
from tests.operations.worker import ADA, Worker

HOSTING = "100.64.0.0/16"
SYSTEM = Subject("network", "AS64500", "taking")
INSIDE, OUTSIDE = "100.64.9.1", "203.0.113.9"
LOOK = 60.0
START = 1_700_000_000.0


@pytest.fixture
def systems(tmp_path: Path) -> str:
    records = {HOSTING: system(64500), GERMAN: system(64501)}
    return str(write(tmp_path / "systems.mmdb", records))


def hosted(rng: Random) -> str:
    """Draw an address of one provider, each of another small network."""
    return f"100.64.{rng.randrange(256)}.{rng.randrange(256)}"


def test_a_scraper_from_one_providers_networks_is_named_for_the_provider(
    usual: bytes, systems: str
) -> None:
    def run(site: Site) -> set[tuple[str, str]]:
        site.run(people(Random(2), 120, 0, 900), rotation(Random(3), hosted, seconds=900))
        return {(c.subject.kind, c.subject.target) for c in site.begun.values()}

    assert ("network", "AS64500") in run(Site(usual, asn_file=systems))
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


def looked(system: list[tuple[float, float]], busy: float = 1.0) -> set[Subject]:
    """Look at a site each minute, and list the subjects of all campaigns that were named.

    Each minute 200 newcomers come to it, one in twenty of whom leafs.

    Args:
        system: Newcomers of one provider in each minute, and those of them that leaf.
        busy: Multiple of the newcomers from the last hour on.
    """
    rng = np.random.default_rng(5)
    view, table = SiteView(), Table()
    named: set[Subject] = set()
    for minute, (judged, odd) in enumerate(system):
        now = START + LOOK * minute
        many = busy if minute >= len(system) - 60 else 1.0
        leafing = float(rng.poisson(10 * many))
        counts = {Subject("site", "", sort): {"judged": 200.0 * many, "odd": 0.0} for sort in SORTS}
        counts[Subject("site", "", "leafing")] = {"judged": 200.0 * many, "odd": leafing}
        counts[Subject("network", "AS64500", "leafing")] = {"judged": judged, "odd": odd}
        view.add([counts], now, table.campaigns)
        outcome = view.look(table, now)
        table = outcome.table
        named |= {campaign.subject for campaign in outcome.began}
    return named


QUIET = [(0.0, 0.0)] * 180


def test_few_among_many_are_named_where_they_are_of_one_provider() -> None:
    # The site has fifty in five minutes, and the provider ten.
    assert looked([*QUIET, *[(2.0, 2.0)] * 60]) == {Subject("network", "AS64500", "leafing")}


@pytest.mark.parametrize(("judged", "odd"), [(4.0, 2.0), (6.0, 2.0), (10.0, 2.0)])
def test_a_provider_half_of_whose_newcomers_move_otherwise_has_no_campaign(
    judged: float, odd: float
) -> None:
    expected = {Subject("network", "AS64500", "leafing")} if judged <= 2 * odd else set()
    assert looked([*QUIET, *[(judged, odd)] * 60]) == expected


@pytest.mark.parametrize("busy", [1.0, 10.0])
def test_a_carrier_of_most_of_the_people_has_none_however_busy_it_is(busy: float) -> None:
    rng = np.random.default_rng(7)
    minutes = [(120.0, float(rng.poisson(6))) for _ in range(240)]
    last = [(120.0 * busy, float(rng.poisson(6 * busy))) for _ in range(60)]
    assert looked([*minutes, *last], busy) == set()


def test_a_provider_that_was_always_so_has_none() -> None:
    # Its newcomers were of that sort before any campaign could be named.
    assert looked([(20.0, 12.0)] * 300) == set()
