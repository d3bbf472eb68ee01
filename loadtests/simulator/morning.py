"""Play what happens at nine: a mailing's readers, an office's log-ins; and a carrier's network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from loadtests.simulator.draws import arrivals
from loadtests.simulator.people import browse, mobile
from loadtests.simulator.scene import HOUR, MINUTE, Caller, Row, Scene

LATEST_SECONDS = 40 * MINUTE


def marketing_mail(scene: Scene, start: float) -> Iterator[Row]:
    """Let hundreds of newcomers follow one link within the hour, some of whom log in."""
    name, rng = "legit:marketing_mail", scene.rng("legit:marketing_mail")
    hot = scene.site(start).stock.pick(rng)
    for index in range(scene.parameters.mail_readers.whole(rng)):
        own = scene.rng(name, index)
        caller = Caller(scene, own, scene.address(), name, "browser")
        ts = start + own.expovariate(1 / (25 * MINUTE))
        if own.random() < 0.2:
            yield from log_in(caller, ts)
        yield from browse(caller, ts + 5, hot)


def morning_login(scene: Scene, start: float) -> Iterator[Row]:
    """Let an office's people log in within minutes, from addresses of one network."""
    name, rng = "legit:morning_login", scene.rng("legit:morning_login")
    network = scene.network4()
    for index in range(scene.parameters.morning_people.whole(rng)):
        own = scene.rng(name, index)
        caller = Caller(scene, own, f"{network}.{index + 1}", name, "browser", 0.5)
        ts = start + min(abs(own.gauss(0, 10 * MINUTE)), LATEST_SECONDS)
        yield from log_in(caller, ts)
        yield from browse(caller, ts + 60)


def log_in(caller: Caller, ts: float) -> Iterator[Row]:
    """Log in, one in eight after a mistyped password or two."""
    rng, site = caller.rng, caller.scene.site(ts)
    yield caller.ask(ts, site.routes["login"].pick(rng))
    for _ in range(rng.randint(1, 2) if rng.random() < 0.12 else 0):
        ts += 4 + rng.expovariate(1 / 8)
        yield caller.ask(ts, site.login, status=site.denied)
    yield caller.ask(ts + 4 + rng.expovariate(1 / 8), site.login)


def carrier(scene: Scene) -> Iterator[Row]:
    """Let people use the mobile app from one carrier's network: each time with a new address.

    An address may change within a visit, too. It is a /64 of one /48.
    """
    name, rng = "legit:carrier", scene.rng("legit:carrier")
    network = scene.network6()
    per_hour = scene.parameters.carrier_visits.draw(rng)
    places = iter(rng.sample(range(2**16), 2**14))
    for index, ts in enumerate(arrivals(rng, per_hour / HOUR, 0, scene.seconds)):
        own = scene.rng(name, index)
        caller = Caller(scene, own, f"{network}:{next(places):x}::1", name, "browser")
        visit = mobile(caller, ts)
        while some := list(islice(visit, own.randint(5, 60))):
            yield from some
            caller.client = f"{network}:{next(places):x}::1"
