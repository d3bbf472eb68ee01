"""Play clients that are nothing but eager: many small writes or polls, all answered well."""

from __future__ import annotations

from collections.abc import Iterator

from loadtests.simulator.draws import around, arrivals
from loadtests.simulator.people import mobile
from loadtests.simulator.scene import HOUR, MINUTE, Caller, Row, Scene
from loadtests.simulator.site import Route, Site

RECEIPT = 200
"""Bytes of the largest answer to a measurement."""


def telemetry(scene: Scene) -> Iterator[Row]:
    """Let phones use the app, and send what they measured: up to 190 writes in a minute."""
    for caller, ts, end in _eager(scene, "legit:eager_telemetry"):
        rng = caller.rng
        yield from mobile(caller, ts)
        # Some send all to one place, some each measurement to a place of its own.
        numbered, number = rng.random() < 0.5, rng.randrange(1_000_000)
        while ts < end:
            for _ in range(rng.randint(20, 190)):
                site = scene.site(ts)
                number += 1
                route = _numbered(site) if numbered else site.api_writes.items[0]
                sent = caller.ask(ts, route, number, number, 200, "POST")
                yield sent._replace(size=rng.randint(0, RECEIPT))
                ts += rng.expovariate(1 / 0.3)
            ts += rng.expovariate(1 / (4 * MINUTE)) + 20


def autosave(scene: Scene) -> Iterator[Row]:
    """Let people write, and save each few seconds."""
    for caller, ts, end in _eager(scene, "legit:eager_autosave"):
        rng, own = caller.rng, caller.rng.randrange(100_000)
        yield caller.ask(ts, scene.site(ts).order, user=own)
        gap = rng.uniform(0.8, 5.0)
        while ts < end:
            ts += around(rng, gap, 0.4) if rng.random() < 0.97 else rng.expovariate(1 / 90)
            yield caller.ask(ts, scene.site(ts).order, user=own, status=200, method="PUT")


def chat(scene: Scene) -> Iterator[Row]:
    """Let people talk: ask for news every second or two, and write now and then."""
    for caller, ts, end in _eager(scene, "legit:eager_chat"):
        rng = caller.rng
        gap = rng.uniform(1.0, 3.0)
        while ts < end:
            site = scene.site(ts)
            yield caller.ask(ts, site.feeds[0], status=200)
            if rng.random() < 0.15:
                yield caller.ask(ts + 0.3, site.routes["write"].items[0], status=200)
            ts += around(rng, gap, 0.2)


def deploy_polling(scene: Scene) -> Iterator[Row]:
    """Let open pages ask whether the new version is there, each second or two, after a deploy."""
    if scene.deploy is None:
        return
    name, rng = "legit:eager_polling", scene.rng("legit:eager_polling")
    for index in range(rng.randint(8, 25)):
        own = scene.rng(name, index)
        caller = Caller(scene, own, scene.address(), name, "browser")
        ts = scene.deploy.at + own.uniform(0, 120)
        end, gap = ts + own.uniform(2, 10) * MINUTE, own.uniform(0.7, 2.0)
        while ts < end:
            yield caller.ask(ts, scene.site(ts).feeds[-1])
            ts += around(own, gap, 0.1)


def _eager(scene: Scene, name: str) -> Iterator[tuple[Caller, float, float]]:
    """Let eager clients come one by one; give each with the begin and the end of its stay."""
    rng, parameters = scene.rng(name), scene.parameters
    for index, ts in enumerate(arrivals(rng, parameters.eager.draw(rng) / HOUR, 0, scene.seconds)):
        own = scene.rng(name, index)
        caller = Caller(scene, own, scene.address(), name, "browser")
        yield caller, ts, ts + parameters.eager_length.draw(own) * MINUTE


def _numbered(site: Site) -> Route:
    """Find a call with a number in its path."""
    every = (*site.rpc.items, *site.api_writes.items)
    return next((route for route in every if route.names), every[0])


EAGER = (telemetry, autosave, chat, deploy_polling)
