"""Make whole logs by name: clients, times, events of the site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from random import Random

from loadtests.simulator import attackers, denials, machines, morning, people
from loadtests.simulator.eager import EAGER
from loadtests.simulator.parameters import SETS
from loadtests.simulator.scene import HOUR, DayOff, Deploy, Row, Scene
from loadtests.simulator.site import build_site, renewed

EPOCH = 1_709_510_400.0
"""A Monday at midnight, UTC."""
CLEAN_SHARE = 0.4
NINE = 9.0

Rows = Iterator[Row]
Attack = Callable[[Scene, Random, str], Rows]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Set one log apart from another; a share ``clean`` of the hours is without attacks.

    ``early`` attacks come at once, and no others. With ``crowd`` ten times as many people come for
    a while, as a new version is deployed; with ``day_off`` the rest of the log is a holiday; with
    ``morning`` a mailing goes out at nine, and an office logs in. ``site`` is a kind of
    :attr:`~loadtests.simulator.parameters.Parameters.kinds`. Into an ``injected`` log others put
    attackers of their own.
    """

    clean: float = CLEAN_SHARE
    attacks: tuple[str, ...] = ()
    early: int = 0
    crowd: bool = False
    day_off: bool = False
    morning: bool = False
    site: str = ""
    injected: bool = False


ATTACKS: dict[str, tuple[Attack, int]] = {
    **{
        f"attack:scraper_{rate}{'_jittered' * jitter}": (
            partial(attackers.scraper, rate=rate, jitter=jitter),
            1,
        )
        for rate in (20, 60, 95)
        for jitter in (False, True)
    },
    "attack:flood": (attackers.flood, 1),
    "attack:stuffing": (attackers.stuffing, 2),
    "attack:stuffing_spread": (attackers.spread_stuffing, 1),
    "attack:scan": (attackers.scan, 2),
    "attack:enumeration": (attackers.enumeration, 2),
    "attack:rotation": (attackers.rotation, 1),
    "attack:drift": (attackers.drift, 1),
}
"""Attacks and numbers of attackers, by label."""

_ALL = tuple(ATTACKS)
_FEW = tuple(
    f"attack:{kind}"
    for kind in ("scraper_60", "scraper_95_jittered", "stuffing", "scan", "enumeration")
)
_EARLY = tuple(label for label in _ALL if "scraper" in label) + _FEW[2:]

SCENARIOS = {
    "ordinary": Scenario(attacks=_ALL),
    "clean": Scenario(clean=1.0),
    "flash_crowd_deploy": Scenario(attacks=_FEW, crowd=True),
    "holiday": Scenario(attacks=_FEW, day_off=True),
    "morning": Scenario(attacks=_FEW, morning=True),
    "cold_start": Scenario(clean=0.0, attacks=_EARLY, early=4),
    "small_site": Scenario(attacks=_ALL, site="small"),
    "large_site": Scenario(attacks=_ALL, site="large"),
    "mobile_api": Scenario(clean=1.0, site="api", injected=True),
}


def generate(
    name: str,
    seed: int,
    hours: float = 10.0,
    which: str = "design",
    clean_hours: float | None = None,
) -> list[Row]:
    """Make the log of a scenario in order of time, in unix seconds.

    A seed gives the same log each time, and the same site in every scenario; ``which`` names the
    set of parameters, and None as ``clean_hours`` means the scenario's own share.
    """
    scene = make_scene(name, seed, hours, which, clean_hours)
    scenario, start = SCENARIOS[name], EPOCH + scene.begins * HOUR
    rows = [
        row._replace(ts=round(start + row.ts, 3))
        for row in chain(*_legitimate(scene, scenario), *_attacks(scene, scenario))
        if 0 <= row.ts < scene.seconds
    ]
    rows.sort()
    return rows


def make_scene(
    name: str, seed: int, hours: float, which: str, clean_hours: float | None = None
) -> Scene:
    """Make the site and the hours of a log; its rows are drawn later."""
    parameters = SETS[which]
    scenario = SCENARIOS[name]
    seconds = hours * HOUR
    clean = seconds * scenario.clean if clean_hours is None else min(clean_hours, hours) * HOUR
    root = f"{which}/{seed}"
    rng = Random(f"{root}/site")
    site = build_site(parameters, rng, scenario.site)
    begins = rng.uniform(6, 11)
    events = Random(f"{root}/{name}/events")
    deploy = day_off = None
    if scenario.crowd:
        at = clean + (seconds - clean) * events.uniform(0.3, 0.5)
        new = renewed(site, events)
        deploy = Deploy(at, new, events.uniform(60, 240), events.uniform(0.02, 0.15), 0.15)
    if scenario.day_off:
        people = events.uniform(0.25, 0.45)
        day_off = DayOff(clean, people, events.uniform(3, 7), events.uniform(0.0, 0.1))
    if scenario.morning:
        begins = NINE - clean / HOUR - events.uniform(0.2, 0.6)
    early = frozenset(events.sample(_EARLY, scenario.early))
    return Scene(parameters, site, seconds, clean, f"{root}/{name}", begins, deploy, day_off, early)


def legitimate_log(scene: Scene) -> list[Row]:
    """Make the log of an ordinary scene without its attacks, in order of time, in unix seconds."""
    start = EPOCH + scene.begins * HOUR
    played = chain(*_legitimate(scene, SCENARIOS["ordinary"]))
    return sorted(
        row._replace(ts=round(start + row.ts, 3)) for row in played if 0 <= row.ts < scene.seconds
    )


def _legitimate(scene: Scene, scenario: Scenario) -> Iterator[Rows]:
    for session, per_hour in _population(scene).items():
        yield people.coming(scene, people.LABELS[session], per_hour, session)
    yield from (machines.health_check(scene, index) for index in range(2))
    yield from (eager(scene) for eager in EAGER)
    # The measured app's API has people's phones, and hardly anybody else.
    if scenario.site != "api":
        yield from _others(scene)
    if scenario.morning:
        nine = (NINE - scene.begins) * HOUR
        yield morning.marketing_mail(scene, nine)
        yield morning.morning_login(scene, nine)
        yield morning.carrier(scene)
    if scene.deploy:
        yield _crowd(scene, scene.deploy.at)
    if scene.day_off:
        rng = scene.rng("new jobs")
        for index in range(scene.parameters.new_batches.whole(rng)):
            rate = scene.parameters.new_batch_rate.draw(rng)
            yield machines.batch(scene, index, rate, "legit:new_batch", scene.day_off.at)


def _others(scene: Scene) -> Iterator[Rows]:
    parameters, rng = scene.parameters, scene.rng("offices")
    for size, span in ((6, parameters.offices_6), (60, parameters.offices_60)):
        yield from (people.office(scene, size, index) for index in range(span.whole(rng)))
    rng = scene.rng("machines")
    yield from (machines.poller(scene, index) for index in range(parameters.pollers.whole(rng)))
    yield machines.batch(scene, 0, parameters.batch_rate.draw(rng))
    yield machines.crawler(scene, 0)
    yield from (denials.work(scene, name) for name in denials.WORKS)


def _population(scene: Scene) -> dict[people.Session, float]:
    """Draw the number of sessions in a usual hour, by kind."""
    parameters, shape = scene.parameters, scene.site(0).shape
    rng = scene.rng("population")
    return {
        people.browse: parameters.browsers.draw(rng) * shape.browsers,
        people.single_page: parameters.singles.draw(rng) * shape.singles,
        people.mobile: parameters.mobiles.draw(rng) * shape.mobiles,
        people.mistyping: parameters.forgetful.draw(rng),
    }


def _crowd(scene: Scene, deployed: float) -> Rows:
    rng = scene.rng("crowd")
    length = scene.parameters.crowd_length.draw(rng) * 60
    more = scene.parameters.crowd_factor.draw(rng) - 1
    # The new version goes out shortly before they come, or in their midst.
    start = deployed + rng.uniform(-0.4, 0.2) * length
    sessions = {
        session: round(more * people.visits(session) * per_hour * length / HOUR)
        for session, per_hour in _population(scene).items()
        if session is not people.mistyping
    }
    return people.crowd(scene, sessions, start, length)


def _attacks(scene: Scene, scenario: Scenario) -> Iterator[Rows]:
    for label in scenario.attacks if scene.clean < scene.seconds else ():
        attack, number = ATTACKS[label]
        if scenario.early and label not in scene.early:
            continue
        for index in range(number):
            yield attack(scene, scene.rng(label, index), label)
