"""Play clients that the site tells "no" by design, again and again, over hours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from loadtests.simulator.draws import Span, around, arrivals
from loadtests.simulator.scene import HOUR, MINUTE, Caller, Row, Scene
from loadtests.simulator.site import Route, Site


@dataclass(frozen=True, slots=True)
class Work:
    """Describe work that takes many ``tries``, each ``told`` no, before it is done.

    Tries come every ``gap`` seconds; the next piece of work begins after a ``pause`` of minutes.
    """

    method: str
    route: Callable[[Site], Route]
    told: tuple[int, ...]
    tries: Span
    gap: Span
    pause: Span


def _order(site: Site) -> Route:
    return site.order


def _form(site: Site) -> Route:
    return site.routes["write"].items[0]


def _endpoint(site: Site) -> Route:
    return site.rpc.items[0]


WORKS: Final = {
    "legit:optimistic_lock": Work("PUT", _order, (412,), Span(5, 40), Span(0.2, 0.3), Span(3, 15)),
    "legit:form": Work("POST", _form, (422,), Span(10, 50), Span(0.1, 0.4), Span(2, 10)),
    "legit:lock_wait": Work("POST", _order, (423, 409), Span(10, 60), Span(1, 5), Span(5, 30)),
    "legit:upload_quota": Work("PUT", _order, (413,), Span(3, 25), Span(0.5, 2), Span(10, 40)),
    "legit:graphql": Work("POST", _endpoint, (400, 200), Span(3, 12), Span(0.1, 1), Span(0.3, 3)),
    "legit:wrong_method": Work("PATCH", _order, (405,), Span(5, 40), Span(0.3, 2), Span(10, 40)),
    "legit:conditional_create": Work(
        "PUT", _order, (428, 412), Span(5, 30), Span(0.3, 1), Span(5, 20)
    ),
}
"""Works by label."""


def work(scene: Scene, name: str) -> Iterator[Row]:
    """Let one client work all the time, and others come for an hour or so."""
    rng, parameters = scene.rng(name), scene.parameters
    stays = [(0.0, scene.seconds)]
    for ts in arrivals(rng, parameters.workers.draw(rng) / HOUR, 0, scene.seconds):
        stays.append((ts, ts + parameters.work_length.draw(rng) * MINUTE))
    for index, (start, end) in enumerate(stays):
        caller = Caller(scene, scene.rng(name, index), scene.address(), name, "browser")
        yield from _work(caller, WORKS[name], start, end)


def _work(caller: Caller, work: Work, ts: float, end: float) -> Iterator[Row]:
    rng, scene = caller.rng, caller.scene
    pace = scene.parameters.work_pace.draw(rng)
    gap, own = work.gap.draw(rng) * pace, rng.randrange(100_000)
    while ts < end:
        site = scene.site(ts)
        route, item, user = work.route(site), site.stock.pick(rng), own + rng.randrange(20)
        yield caller.ask(ts, route, item, user, 200, "GET")
        for _ in range(work.tries.whole(rng)):
            ts += around(rng, gap, 0.3)
            yield caller.ask(ts, route, item, user, rng.choice(work.told), work.method)
        ts += around(rng, gap, 0.3)
        yield caller.ask(ts, route, item, user, method=work.method)
        ts += work.pause.draw(rng) * MINUTE * pace
