"""Play a soak: calm times, in which all is counted and compared, and faults between them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from demo_app.server import ServerError
from loadtests.load import scrape
from loadtests.load.checks import EXPECTED
from loadtests.soak import log
from loadtests.soak.faults import Fault
from loadtests.soak.measure import measure
from loadtests.soak.plan import Plan
from loadtests.soak.site import WORKERS, Site, served
from loadtests.soak.traffic import Traffic

SAMPLE_SECONDS: Final = 5.0
BUCKET_SECONDS: Final = 10.0
AGREE_SECONDS: Final = 10.0
"""Time in which a site has counted all that it answered: it counts when an answer is out."""
BACK_SECONDS: Final = 30.0
"""Time after which all workers are there, and on the store, at the latest."""
LOOK_SECONDS: Final = 0.2

Tell = Callable[[str], object]


class Soak:
    """Run a soak on a site, with traffic.

    Args:
        plan: Its times and faults.
        site: The site.
        traffic: The traffic, which has begun.
        tell: Takes a line for people.
    """

    def __init__(self, plan: Plan, site: Site, traffic: Traffic, tell: Tell) -> None:
        self._plan = plan
        self._site = site
        self._traffic = traffic
        self._tell = tell
        self._over = threading.Event()
        self._began = time.time() - traffic.now
        self.samples: list[dict[str, Any]] = []
        self.calms: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.windows: list[log.Window] = []

    def play(self) -> None:
        """Warm up, then play calm and fault in turn, and a last calm."""
        sampler = threading.Thread(target=self._sample, name="soak-sampler", daemon=True)
        sampler.start()
        try:
            self._tell(f"Warming up for {self._plan.warm_up:.0f} s")
            time.sleep(self._plan.warm_up)
            for fault in self._plan.faults:
                self._calm()
                self._break(fault)
            self._calm()
        finally:
            self._over.set()
            sampler.join()

    def _sample(self) -> None:
        while not self._over.wait(min(SAMPLE_SECONDS, self._plan.calm / 4)):
            self.samples.append(asdict(measure(self._site, self._traffic.now)))

    def _calm(self) -> None:
        """Compare what site and clients count, from a moment without a request to another."""
        site, clients = self._counts()
        start = self._traffic.now
        self._traffic.resume()
        time.sleep(self._plan.calm)
        end = self._traffic.now
        self._traffic.pause()
        counted = self._traffic.outcomes - clients
        deadline = time.monotonic() + AGREE_SECONDS
        while True:
            after = scrape.outcomes(self._site.metrics())
            found = scrape.disagreements(site, after, counted)
            if not found or time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
        self._traffic.resume()
        self.calms.append({"start": start, "end": end, "counted": counted, "disagreements": found})

    def _counts(self) -> tuple[Counter[str], Counter[str]]:
        """Count outcomes by site and clients at a moment without a request, when they stand."""
        self._traffic.pause()
        before: Counter[str] = Counter()
        while (now := scrape.outcomes(self._site.metrics())) != before:
            before = now
            time.sleep(LOOK_SECONDS)
        return now, self._traffic.outcomes.copy()

    def _break(self, fault: Fault) -> None:
        start = self._traffic.now
        self._tell(f"{start:6.0f} s  {fault.name}")
        fault.strike(self._site)
        time.sleep(self._plan.fault)
        mended = self._traffic.now
        fault.mend(self._site)
        time.sleep(self._plan.settling)
        self._wait_until_back()
        end = self._traffic.now
        self.windows.append(log.Window(self._began + start, self._began + end, fault.events))
        self.faults.append(
            {
                "name": fault.name,
                "start": start,
                "mended": mended,
                "end": end,
                "loses": fault.loses,
            }
        )

    def _wait_until_back(self) -> None:
        deadline = time.monotonic() + BACK_SECONDS
        while time.monotonic() < deadline:
            page = self._site.metrics()
            if not scrape.total(page, "irl_store_fallback") and (
                len(self._site.workers()) == WORKERS
            ):
                return
            time.sleep(LOOK_SECONDS)
        raise ServerError(f"the site isn't back {BACK_SECONDS:g} s after a fault")


def run(plan: Plan, path: Path, store_timeout: float, tell: Tell) -> dict[str, Any]:
    """Run a soak, and give all that was measured, ready for JSON.

    Args:
        plan: Its times and faults.
        path: The file for the site's log.
        store_timeout: Seconds that a request waits for the store.
        tell: Takes lines for people.

    Raises:
        ServerError: The site doesn't start, or doesn't come back.
    """
    with (
        served(path, store_timeout) as site,
        Traffic(site.server.port, site.server.secret) as traffic,
    ):
        soak = Soak(plan, site, traffic, tell)
        soak.play()
        seconds = traffic.now
    return {
        "soak": {"minutes": plan.minutes, "calm": plan.calm, "seconds": seconds},
        "store_timeout": store_timeout,
        "requests": len(traffic.answered),
        "outcomes": dict(traffic.outcomes),
        "calms": soak.calms,
        "faults": [_with_answers(fault, traffic) for fault in soak.faults],
        "stray": _stray(traffic, soak.calms),
        "samples": soak.samples,
        "latency": _latency(traffic, seconds),
        "unexpected": log.unexpected(log.read(path), soak.windows),
    }


def _with_answers(fault: dict[str, Any], traffic: Traffic) -> dict[str, Any]:
    """Add the answers to requests of a fault, and the longest time of one in milliseconds."""
    during = [x for x in traffic.answered if fault["start"] <= x.at < fault["end"]]
    statuses = Counter(str(x.status) for x in during)
    longest = max((x.seconds for x in during), default=0.0) * 1000
    return {**fault, "statuses": statuses, "longest_ms": longest}


def _stray(traffic: Traffic, calms: list[dict[str, Any]]) -> int:
    """Count the answers of calm times that the site never gives when well."""
    return sum(
        x.status not in EXPECTED
        for x in traffic.answered
        if any(calm["start"] <= x.at < calm["end"] for calm in calms)
    )


def _latency(traffic: Traffic, seconds: float) -> list[dict[str, float]]:
    """Give requests a second and percentiles of their time in milliseconds, in pieces of time."""
    found = []
    buckets: dict[int, list[float]] = {}
    for x in traffic.answered:
        buckets.setdefault(int(x.at / BUCKET_SECONDS), []).append(x.seconds * 1000)
    for number in range(int(seconds / BUCKET_SECONDS)):
        times = buckets.get(number, [])
        p50, p99 = np.percentile(times, (50, 99)) if times else (0.0, 0.0)
        at, rate = number * BUCKET_SECONDS, len(times) / BUCKET_SECONDS
        found.append({"at": at, "rate": rate, "p50": float(p50), "p99": float(p99)})
    return found
