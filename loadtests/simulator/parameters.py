"""Set the ranges that a log draws from: one set for design, another for evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.simulator.draws import Quantiles, Span
from loadtests.simulator.more_shapes import COURIER, FITNESS, large, small
from loadtests.simulator.shapes import (
    BACKEND,
    BANK,
    FORUM,
    NEWS,
    PORTAL,
    SHOP,
    WORDS,
    Shape,
)

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


class Range:
    """Give a parameter its span in the set for design, and in that for evaluation."""

    def __init__(self, design: Span, held_out: Span) -> None:
        self._spans = {"design": design, "held_out": held_out}

    def __get__(self, parameters: Parameters, _: type) -> Span:
        return self._spans[parameters.name]


@dataclass(frozen=True)
class Parameters:
    """Set ranges; a log draws its own value of each, most of them anew for each client.

    Rates are requests a minute, durations minutes, gaps seconds, populations sessions per hour,
    unless said otherwise. ``jitters`` are shapes of human-like gaps: ``lognormal``,
    ``exponential``, ``gamma``, ``pauses``.
    """

    name: str
    shapes: tuple[Shape, ...]
    jitters: tuple[str, ...]
    routes_of_scrapers: tuple[str, ...]
    small: tuple[Shape, ...]
    large: tuple[Shape, ...]
    apis: tuple[Shape, ...]

    items = Range(Span(800, 4000), Span(500, 6000))
    zipf = Range(Span(0.7, 1.0), Span(0.55, 1.2))  # Exponent of the popularity of items.
    broken = Range(Span(0.05, 0.09), Span(0.04, 0.1))  # Share of requests for dead links.
    browsers = Range(Span(80, 150), Span(65, 170))
    singles = Range(Span(6, 12), Span(4, 11))
    mobiles = Range(Span(70, 130), Span(45, 90))
    pace = Range(Span(0.85, 1.15), Span(0.75, 1.3))  # Factor on people's gaps, one for a site.
    views = Range(Span(7, 12), Span(5, 14))  # Views in a session of the single-page app.
    view_calls = Range(Span(4, 9), Span(3, 10))  # Calls in each view.
    pollers = Range(Span(4, 8), Span(3, 9))
    poll_gap = Range(Span(10, 60), Span(10, 60))
    batch_rate = Range(Span(78, 82), Span(76, 84))
    batch_length = Range(Span(8, 14), Span(6, 18))
    batch_every = Range(Span(60, 120), Span(50, 140))  # Minutes between starts of a job.
    batch_ids = Range(Span(400, 1200), Span(300, 1500))  # Ids that it walks through.
    crawler_rate = Range(Span(4, 15), Span(3, 22))
    crawler_lost = Range(Span(0.05, 0.15), Span(0.03, 0.2))  # Share of pages that are gone.
    health_gap = Range(Span(10, 30), Span(8, 45))
    workers = Range(Span(0.4, 0.8), Span(0.3, 1.0))  # That come an hour, of each kind.
    work_length = Range(Span(30, 80), Span(20, 90))
    work_pace = Range(Span(0.9, 1.1), Span(0.7, 1.4))  # Factor on their gaps and pauses.
    forgetful = Range(Span(6, 12), Span(5, 15))  # People who mistype their password.
    mistypes = Range(Span(2, 5), Span(2, 7))  # Times each.
    offices_6 = Range(Span(3, 5), Span(2, 6))
    offices_60 = Range(Span(1, 1), Span(1, 2))
    office_sessions = Range(Span(0.9, 1.5), Span(0.5, 1.1))  # Sessions per person and hour.
    crowd_factor = Range(Span(9, 11), Span(8, 12))
    crowd_length = Range(Span(20, 40), Span(15, 50))
    new_batches = Range(Span(2, 3), Span(1, 4))
    new_batch_rate = Range(Span(60, 85), Span(45, 90))
    scraper_20 = Range(Span(18.5, 21.5), Span(17, 24))
    scraper_60 = Range(Span(57, 63), Span(53, 67))
    scraper_95 = Range(Span(92, 98), Span(90, 99))
    scraper_length = Range(Span(35, 80), Span(25, 90))
    jitter_spread = Range(Span(0.6, 1.1), Span(0.5, 1.3))
    flood_rate = Range(Span(300, 1200), Span(200, 1400))
    flood_length = Range(Span(3, 7), Span(2, 6))
    stuffing_rate = Range(Span(20, 70), Span(12, 90))
    stuffing_length = Range(Span(20, 45), Span(12, 60))
    stuffing_success = Range(Span(0.002, 0.02), Span(0.001, 0.04))  # Share of passwords that work.
    spread_addresses = Range(Span(250, 700), Span(200, 900))
    spread_tries = Range(Span(1, 4), Span(1, 5))
    spread_length = Range(Span(60, 150), Span(40, 200))
    scan_rate = Range(Span(40, 240), Span(20, 300))
    scan_paths = Range(Span(400, 1200), Span(250, 1500))
    enumeration_rate = Range(Span(2, 6), Span(1.5, 8))
    enumeration_length = Range(Span(120, 300), Span(90, 330))
    enumeration_hits = Range(Span(0.3, 0.7), Span(0.2, 0.9))  # Share of guessed ids that exist.
    rotation_rate = Range(Span(50, 90), Span(40, 110))
    rotation_requests = Range(Span(30, 70), Span(50, 50))  # Before the address changes.
    rotation_length = Range(Span(30, 60), Span(20, 70))
    drift_from = Range(Span(1, 3), Span(0.5, 4))  # Rates of the drift, first and last.
    drift_to = Range(Span(85, 97), Span(92, 98))
    eager = Range(Span(0.4, 0.8), Span(0.3, 1.0))  # Eager clients that come an hour, of each kind.
    eager_length = Range(Span(10, 40), Span(8, 60))
    mail_readers = Range(Span(200, 400), Span(150, 600))
    morning_people = Range(Span(60, 140), Span(40, 200))
    carrier_visits = Range(Span(30, 60), Span(20, 80))

    @property
    def kinds(self) -> dict[str, tuple[Shape, ...]]:
        """Give the shapes of sites by the kind that a scenario names; "" for the usual ones."""
        return {"": self.shapes, "small": self.small, "large": self.large, "api": self.apis}


_ROUTES = ("items", "lists", "api")
DESIGN = Parameters(
    *("design", (SHOP, PORTAL, BACKEND), ("lognormal", "exponential"), _ROUTES),
    *((small("cafe", ""),), (large("archive", WORDS[:21]),), (COURIER,)),
)
HELD_OUT = Parameters(
    *("held_out", (NEWS, BANK, FORUM), ("gamma", "pauses"), (*_ROUTES, "popular")),
    *((small("club", "/club"),), (large("ministry", WORDS[-21:]),), (FITNESS,)),
)

SETS = {parameters.name: parameters for parameters in (DESIGN, HELD_OUT)}
