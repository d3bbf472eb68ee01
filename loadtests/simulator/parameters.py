"""Set the ranges that a log draws from: one set for design, another for evaluation."""

from __future__ import annotations

from typing import NamedTuple

from loadtests.simulator.draws import Quantiles, Span
from loadtests.simulator.shapes import BACKEND, BANK, FORUM, NEWS, PORTAL, SHOP, Shape

# Measured on real logs: 26,880 clients of a mobile app, 51,870 requests to a web site.
APP_GAPS = Quantiles(
    ((0.0, 0.0), (0.25, 3.0), (0.5, 12.0), (0.75, 33.0), (0.9, 91.0), (0.99, 230.0), (1.0, 1500.0))
)
APP_LENGTHS = Quantiles(
    ((0.0, 0.6), (0.5, 5.0), (0.9, 27.0), (0.99, 94.0), (0.999, 265.0), (1.0, 320.0))
)
WEB_LENGTHS = Quantiles(
    ((0.0, 0.5), (0.5, 2.0), (0.9, 18.0), (0.99, 72.0), (0.999, 304.0), (1.0, 400.0))
)


class Parameters(NamedTuple):
    """Set ranges; a log draws its own value of each, most of them anew for each client.

    Defaults are those of the set for design. Rates are requests a minute, durations minutes, gaps
    seconds, populations sessions per hour, unless said otherwise.

    Attributes:
        zipf: Exponent of the popularity of items.
        broken: Typical share of requests for links of the site that lead nowhere.
        pace: Factor on people's gaps, one for a site.
        views: Views in a session of the single-page app, and ``view_calls`` calls in each.
        batch_every: Minutes between starts of a job; ``batch_ids`` ids that it walks through.
        crawler_lost: Share of pages that are gone.
        forgetful: People who mistype their password, and ``mistypes`` times each.
        office_sessions: Sessions per person and hour.
        scraper_60 and its like: Real rates of those scrapers.
        jitters: Shapes of human-like gaps: ``lognormal``, ``exponential``, ``gamma``, ``pauses``.
        routes_of_scrapers: Routes to walk: ``items``, ``lists``, ``api``, ``popular``.
        stuffing_success: Share of stolen passwords that work.
        enumeration_hits: Share of guessed ids that exist.
        rotation_requests: Requests before the address changes.
        drift_from, drift_to: Rates of the drift, before the attack at ``drift_attack``.
    """

    name: str = "design"
    shapes: tuple[Shape, ...] = (SHOP, PORTAL, BACKEND)
    items: Span = Span(800, 4000)
    zipf: Span = Span(0.7, 1.0)
    broken: Span = Span(0.05, 0.09)
    browsers: Span = Span(80, 150)
    singles: Span = Span(6, 12)
    mobiles: Span = Span(70, 130)
    pace: Span = Span(0.85, 1.15)
    views: Span = Span(7, 12)
    view_calls: Span = Span(4, 9)
    pollers: Span = Span(4, 8)
    poll_gap: Span = Span(10, 60)
    batch_rate: Span = Span(78, 82)
    batch_length: Span = Span(8, 14)
    batch_every: Span = Span(60, 120)
    batch_ids: Span = Span(400, 1200)
    crawler_rate: Span = Span(4, 15)
    crawler_lost: Span = Span(0.05, 0.15)
    health_gap: Span = Span(10, 30)
    forgetful: Span = Span(6, 12)
    mistypes: Span = Span(2, 5)
    offices_6: Span = Span(3, 5)
    offices_60: Span = Span(1, 1)
    office_sessions: Span = Span(0.9, 1.5)
    crowd_factor: Span = Span(9, 11)
    crowd_length: Span = Span(20, 40)
    new_batches: Span = Span(2, 3)
    new_batch_rate: Span = Span(60, 85)
    scraper_20: Span = Span(18.5, 21.5)
    scraper_60: Span = Span(57, 63)
    scraper_95: Span = Span(92, 98)
    scraper_length: Span = Span(35, 80)
    jitters: tuple[str, ...] = ("lognormal", "exponential")
    routes_of_scrapers: tuple[str, ...] = ("items", "lists", "api")
    jitter_spread: Span = Span(0.6, 1.1)
    flood_rate: Span = Span(300, 1200)
    flood_length: Span = Span(3, 7)
    stuffing_rate: Span = Span(20, 70)
    stuffing_length: Span = Span(20, 45)
    stuffing_success: Span = Span(0.002, 0.02)
    spread_addresses: Span = Span(1500, 3000)
    spread_tries: Span = Span(1, 4)
    spread_length: Span = Span(60, 150)
    scan_rate: Span = Span(40, 240)
    scan_paths: Span = Span(400, 1200)
    enumeration_rate: Span = Span(2, 6)
    enumeration_length: Span = Span(120, 300)
    enumeration_hits: Span = Span(0.3, 0.7)
    rotation_rate: Span = Span(50, 90)
    rotation_requests: Span = Span(25, 60)
    rotation_length: Span = Span(30, 60)
    drift_from: Span = Span(1, 3)
    drift_to: Span = Span(25, 45)
    drift_attack: Span = Span(80, 95)


DESIGN = Parameters()
HELD_OUT = Parameters(
    name="held_out",
    shapes=(NEWS, BANK, FORUM),
    items=Span(500, 6000),
    zipf=Span(0.55, 1.2),
    broken=Span(0.04, 0.1),
    browsers=Span(65, 170),
    singles=Span(4, 11),
    mobiles=Span(45, 90),
    pace=Span(0.75, 1.3),
    views=Span(5, 14),
    view_calls=Span(3, 10),
    pollers=Span(3, 9),
    poll_gap=Span(10, 60),
    batch_rate=Span(76, 84),
    batch_length=Span(6, 18),
    batch_every=Span(50, 140),
    batch_ids=Span(300, 1500),
    crawler_rate=Span(3, 22),
    crawler_lost=Span(0.03, 0.2),
    health_gap=Span(8, 45),
    forgetful=Span(5, 15),
    mistypes=Span(2, 7),
    offices_6=Span(2, 6),
    offices_60=Span(1, 2),
    office_sessions=Span(0.5, 1.1),
    crowd_factor=Span(8, 12),
    crowd_length=Span(15, 50),
    new_batches=Span(1, 4),
    new_batch_rate=Span(45, 90),
    scraper_20=Span(17, 24),
    scraper_60=Span(53, 67),
    scraper_95=Span(90, 99),
    scraper_length=Span(25, 90),
    jitters=("gamma", "pauses"),
    routes_of_scrapers=("items", "lists", "api", "popular"),
    jitter_spread=Span(0.5, 1.3),
    flood_rate=Span(200, 1400),
    flood_length=Span(2, 6),
    stuffing_rate=Span(12, 90),
    stuffing_length=Span(12, 60),
    stuffing_success=Span(0.001, 0.04),
    spread_addresses=Span(1000, 3500),
    spread_tries=Span(1, 5),
    spread_length=Span(40, 200),
    scan_rate=Span(20, 300),
    scan_paths=Span(250, 1500),
    enumeration_rate=Span(1.5, 8),
    enumeration_length=Span(90, 330),
    enumeration_hits=Span(0.2, 0.9),
    rotation_rate=Span(40, 110),
    rotation_requests=Span(15, 80),
    rotation_length=Span(20, 70),
    drift_from=Span(0.5, 4),
    drift_to=Span(20, 60),
    drift_attack=Span(70, 98),
)

SETS = {parameters.name: parameters for parameters in (DESIGN, HELD_OUT)}
