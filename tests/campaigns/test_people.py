"""Name no campaign where people come together: a crowd, a mail, an office, a carrier, an outage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import numpy as np
import pytest

from flask_irl.campaigns.campaign import ALL, Subject, Table
from flask_irl.campaigns.newcomers import LOGIN_SORTS, SORTS
from flask_irl.campaigns.site_view import SiteView
from tests.address_file import EVERYWHERE, system, write
from tests.campaigns.traffic import (
    LOGIN,
    Name,
    Requests,
    Sent,
    Site,
    address,
    log_in,
    people,
    visit,
)


def mail(fails: float, *, page: bool = True, count: int = 300) -> Requests:
    """Let customers come by a mail and log in, at once and then fewer and fewer."""
    rng = Random(5)
    for _ in range(count):
        at, client = rng.expovariate(1 / 400), address(rng)
        yield from log_in(rng, at, client, fails=fails, page=page)


def crowd(count: int = 700) -> Requests:
    """Let ten times as many people come as usual, for the same item."""
    rng = Random(5)
    for _ in range(count):
        yield from visit(rng, rng.expovariate(1 / 600), login=0.1)


def carrier(rng: Random) -> str:
    """Draw an address of a mobile carrier."""
    return f"198.51.100.{rng.randrange(256)}"


def carrier_6(rng: Random) -> str:
    """Draw a /64 of a mobile carrier."""
    return f"2001:db8:1:{rng.randrange(65536):x}::/64"


def office(name: Name, *, outage: float = 0.0, count: int = 60) -> Requests:
    """Let an office log in in the morning; for some seconds nobody's login succeeds."""
    rng = Random(5)
    for _ in range(count):
        at, client = rng.uniform(0, 900), name(rng)
        yield Sent(at, client, "/item/<id>", "/item/1")
        for _ in range(8):
            at += 4 + rng.expovariate(1 / 20)
            failed = at < outage or rng.random() < 0.1
            yield Sent(at, client, LOGIN, LOGIN, "POST", 401 if failed else 200)
            if not failed:
                break


def failing(requests: Requests, until: float) -> Iterator[Sent]:
    """Let every login fail until a time."""
    for each in requests:
        failed = each.method == "POST" and each.at < until
        yield each._replace(status=401) if failed else each


def ended_sessions(name: Name, *, per_hour: float) -> Requests:
    """Let apps come whose sessions have ended: each is denied once or twice, then logs in."""
    rng, at = Random(5), 0.0
    while (at := at + rng.expovariate(per_hour / 3600)) < 1200:
        client, ts = name(rng), at
        for _ in range(rng.randint(1, 2)):
            yield Sent(ts, client, "/api/sync", "/api/sync", "POST", 401)
            ts += 0.5
        ts += 2 + rng.expovariate(1 / 6)
        yield Sent(ts, client, LOGIN, LOGIN, "POST", 401 if rng.random() < 0.1 else 200)
        for _ in range(rng.randint(3, 15)):
            ts += rng.expovariate(1 / 15)
            yield Sent(ts, client, "/api/sync", "/api/sync", "POST", 200)


GATHERINGS: dict[str, Callable[[], Requests]] = {
    "mail at nine": lambda: mail(0.15),
    "mail to customers who have forgotten their passwords": lambda: mail(0.5),
    "mail that opens an app": lambda: mail(0.2, page=False),
    "flash crowd": crowd,
    "mobile carrier": lambda: people(Random(7), 500, 0, 1200, name=carrier),
    "mobile carrier, IPv6": lambda: people(Random(7), 500, 0, 1200, name=carrier_6),
    "office behind one address": lambda: office(lambda rng: "192.0.2.1"),
    "office, outage": lambda: office(address, outage=600.0),
    "apps with ended sessions": lambda: ended_sessions(carrier_6, per_hour=400),
    "outage": lambda: failing(people(Random(8), 240, 0, 1200), 600.0),
    "mail and outage": lambda: failing(mail(0.1), 600.0),
}


@pytest.fixture(scope="module")
def one_provider(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a file in which all addresses are of one autonomous system."""
    path = tmp_path_factory.mktemp("systems") / "systems.mmdb"
    return str(write(path, dict.fromkeys(EVERYWHERE, system(64500))))


@pytest.mark.slow
@pytest.mark.parametrize("gathering", GATHERINGS)
def test_no_campaign_is_named_where_people_come_together(
    usual: bytes, gathering: str, one_provider: str
) -> None:
    ordinary = people(Random(2), 120, 0, 1500)
    together = GATHERINGS[gathering]()
    if gathering == "mail and outage":
        ordinary = failing(ordinary, 600.0)
    site = Site(usual, asn_file=one_provider).run(ordinary, together)
    assert site.begun == {}


def test_no_campaign_is_named_in_the_first_hour_of_a_busy_site() -> None:
    site = Site().run(people(Random(2), 900, 0, 1200, login=0.6, fails=0.2))
    assert site.begun == {}


LOOKS = 60.0
DAY_AND_NIGHT = 24 * 3600.0


@pytest.mark.parametrize("failing", [0.1, 0.6])
def test_no_campaign_is_named_in_the_mornings_of_a_site_that_sleeps_at_night(
    failing: float,
) -> None:
    # What is usual knows no hours: logins that succeed at the same time tell how many may fail.
    rng = np.random.default_rng(5)
    view, table = SiteView(), Table()
    for look in range(int(3 * DAY_AND_NIGHT / LOOKS)):
        now = 1_700_000_000.0 + look * LOOKS
        hour = look * LOOKS / 3600 % 24
        busy = 1.0 if 9 <= hour < 18 else 0.02
        counts: dict[Subject, dict[str, float]] = {}
        everybody = {"done": float(rng.poisson(60 * busy)), "failed": float(rng.poisson(6 * busy))}
        for sort in LOGIN_SORTS:
            failed = float(rng.poisson(15 * busy * failing))
            own = {"failed": failed, "clients": failed, "done": float(rng.poisson(15 * busy))}
            counts[Subject("login", LOGIN, sort)] = own
            everybody = {name: everybody[name] + own[name] for name in everybody}
        counts[Subject("login", LOGIN, ALL)] = everybody
        judged = float(rng.poisson(20 * busy))
        for moves in SORTS:
            odd = float(rng.binomial(int(judged), 0.05))
            counts[Subject("site", "", moves)] = {"judged": judged, "odd": odd}
        view.add([counts], now)
        outcome = view.look(table, now)
        assert outcome.began == [], f"day {look * LOOKS // DAY_AND_NIGHT:.0f}, hour {hour:.1f}"
        table = outcome.table
