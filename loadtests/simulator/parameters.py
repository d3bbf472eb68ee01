"""The ranges that a log's numbers are drawn from: one set for design, another for evaluation."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Parameters:
    """Ranges; a log draws its own value of each, most of them anew for each client.

    Rates are requests a minute, durations minutes, gaps seconds, populations people per hour,
    unless said otherwise.

    Attributes:
        shapes: Kinds of sites.
        items: How many a site has.
        zipf: Exponent of their popularity.
        broken: A person's typical share of requests for what the site links to but lacks.
        browsers, singles, mobiles: Sessions per hour of a usual site of each kind of person.
        pace: Factor on people's gaps, one for a site.
        views: Views in a session of the single-page app, and ``view_calls`` calls in each.
        pollers, poll_gap: How many, and how often they ask.
        batch_rate, batch_length, batch_every: How fast, how long, and minutes between starts.
        batch_ids: How many ids it walks through.
        crawler_rate, crawler_lost: How fast, and its share of pages that are gone.
        health_gap: Seconds between checks.
        forgetful: People an hour who mistype their password, and ``mistypes`` how often each.
        offices_6, offices_60: How many, and ``office_sessions`` sessions per person and hour.
        new_batches, new_batch_rate: Jobs that a holiday brings.
        scraper_60 and its like: How fast those scrapers really are.
        scraper_length: How long they stay, minutes.
        jitters: Shapes of human-like gaps: ``lognormal``, ``exponential``, ``gamma``, ``pauses``.
        routes_of_scrapers: What they walk: ``items``, ``lists``, ``api``.
        stuffing_success: Share of stolen passwords that work.
        enumeration_hits: Share of guessed ids that exist.
        rotation_requests: Requests before the address changes.
        drift_from, drift_to: Rates of the drift, before the attack at ``drift_attack``.
    """

    name: str
    shapes: tuple[Shape, ...]
    items: Span
    zipf: Span
    broken: Span
    browsers: Span
    singles: Span
    mobiles: Span
    pace: Span
    views: Span
    view_calls: Span
    pollers: Span
    poll_gap: Span
    batch_rate: Span
    batch_length: Span
    batch_every: Span
    batch_ids: Span
    crawler_rate: Span
    crawler_lost: Span
    health_gap: Span
    forgetful: Span
    mistypes: Span
    offices_6: Span
    offices_60: Span
    office_sessions: Span
    crowd_factor: Span
    crowd_length: Span
    new_batches: Span
    new_batch_rate: Span
    scraper_20: Span
    scraper_60: Span
    scraper_95: Span
    scraper_length: Span
    jitters: tuple[str, ...]
    routes_of_scrapers: tuple[str, ...]
    jitter_spread: Span
    flood_rate: Span
    flood_length: Span
    stuffing_rate: Span
    stuffing_length: Span
    stuffing_success: Span
    spread_addresses: Span
    spread_tries: Span
    spread_length: Span
    scan_rate: Span
    scan_paths: Span
    enumeration_rate: Span
    enumeration_length: Span
    enumeration_hits: Span
    rotation_rate: Span
    rotation_requests: Span
    rotation_length: Span
    drift_from: Span
    drift_to: Span
    drift_attack: Span


DESIGN = Parameters(
    name="design",
    shapes=(SHOP, PORTAL, BACKEND),
    items=Span(800, 4000),
    zipf=Span(0.7, 1.0),
    broken=Span(0.05, 0.09),
    browsers=Span(80, 150),
    singles=Span(6, 12),
    mobiles=Span(70, 130),
    pace=Span(0.85, 1.15),
    views=Span(7, 12),
    view_calls=Span(4, 9),
    pollers=Span(4, 8),
    poll_gap=Span(10, 60),
    batch_rate=Span(78, 82),
    batch_length=Span(8, 14),
    batch_every=Span(60, 120),
    batch_ids=Span(400, 1200),
    crawler_rate=Span(4, 15),
    crawler_lost=Span(0.05, 0.15),
    health_gap=Span(10, 30),
    forgetful=Span(6, 12),
    mistypes=Span(2, 5),
    offices_6=Span(3, 5),
    offices_60=Span(1, 1),
    office_sessions=Span(0.9, 1.5),
    crowd_factor=Span(9, 11),
    crowd_length=Span(20, 40),
    new_batches=Span(2, 3),
    new_batch_rate=Span(60, 85),
    scraper_20=Span(18.5, 21.5),
    scraper_60=Span(57, 63),
    scraper_95=Span(92, 98),
    scraper_length=Span(35, 80),
    jitters=("lognormal", "exponential"),
    routes_of_scrapers=("items", "lists", "api"),
    jitter_spread=Span(0.6, 1.1),
    flood_rate=Span(300, 1200),
    flood_length=Span(3, 7),
    stuffing_rate=Span(20, 70),
    stuffing_length=Span(20, 45),
    stuffing_success=Span(0.002, 0.02),
    spread_addresses=Span(1500, 3000),
    spread_tries=Span(1, 4),
    spread_length=Span(60, 150),
    scan_rate=Span(40, 240),
    scan_paths=Span(400, 1200),
    enumeration_rate=Span(2, 6),
    enumeration_length=Span(120, 300),
    enumeration_hits=Span(0.3, 0.7),
    rotation_rate=Span(50, 90),
    rotation_requests=Span(25, 60),
    rotation_length=Span(30, 60),
    drift_from=Span(1, 3),
    drift_to=Span(25, 45),
    drift_attack=Span(80, 95),
)

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
