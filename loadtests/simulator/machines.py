"""Play well-behaved machines: pollers, jobs, crawlers, health checks."""

from __future__ import annotations

from collections.abc import Iterator

from loadtests.simulator.scene import MINUTE, Caller, Row, Scene


def poller(scene: Scene, index: int) -> Iterator[Row]:
    """Ask one or two feeds at a fixed interval, all the time."""
    name = "legit:poller"
    rng = scene.rng(name, index)
    caller = Caller(scene, rng, scene.address(), name, "tool", rng.uniform(0, 0.9))
    gap = scene.parameters.poll_gap.draw(rng)
    feeds = rng.sample(range(len(scene.site(0).feeds)), rng.randint(1, 2))
    start = rng.uniform(0, gap)
    for tick in range(round((scene.seconds - start) / gap)):
        ts = start + tick * gap + rng.uniform(0, 0.2)
        yield caller.ask(ts, scene.site(ts).feeds[feeds[tick % len(feeds)]])


def health_check(scene: Scene, index: int) -> Iterator[Row]:
    """Check that the site is up."""
    name = "legit:health_check"
    rng = scene.rng(name, index)
    caller = Caller(scene, rng, scene.address(), name, "tool")
    gap = scene.parameters.health_gap.draw(rng)
    method = rng.choice(("GET", "GET", "HEAD"))
    ts = rng.uniform(0, gap)
    while ts < scene.seconds:
        yield caller.ask(ts, scene.site(ts).health, method=method)
        ts += gap + rng.uniform(-0.05, 0.05)


def batch(
    scene: Scene, index: int, rate: float, name: str = "legit:batch", start: float = 0.0
) -> Iterator[Row]:
    """Walk through own ids, on schedule."""
    rng = scene.rng(name, index)
    parameters = scene.parameters
    caller = Caller(scene, rng, scene.address(), name, "tool")
    ids = parameters.batch_ids.whole(rng)
    first = rng.randrange(100_000)
    length = parameters.batch_length.draw(rng) * MINUTE
    every = max(parameters.batch_every.draw(rng) * MINUTE, length)
    begin = start + rng.uniform(0, every / 3)
    place = 0
    while begin < scene.seconds:
        ts = begin
        while ts < begin + length:
            yield caller.ask(ts, scene.site(ts).order, user=first + place % ids)
            place += 1
            ts += MINUTE / rate * rng.uniform(0.95, 1.05)
        begin += every


def crawler(scene: Scene, index: int) -> Iterator[Row]:
    """Read every page once, as a search engine does, pages that are gone too."""
    name = "legit:crawler"
    rng = scene.rng(name, index)
    caller = Caller(scene, rng, scene.address(), name, "bot")
    rate = scene.parameters.crawler_rate.draw(rng)
    lost = scene.parameters.crawler_lost.draw(rng)
    ts = rng.uniform(0, 120)
    yield caller.probe(ts, "/robots.txt", status=rng.choice((200, 404)))
    items = list(scene.site(0).stock.items)
    rng.shuffle(items)
    place = 0
    while ts < scene.seconds:
        site = scene.site(ts)
        chance = rng.random()
        item = site.routes["item"].items[0]
        if chance < lost:
            # Items that there were once.
            gone = site.count + rng.randrange(site.count)
            yield caller.ask(ts, item, item=gone, status=404)
        elif chance < lost + 0.12:
            yield caller.ask(ts, site.routes[rng.choice(("home", "listing", "page"))].pick(rng))
        else:
            yield caller.ask(ts, item, item=items[place % len(items)])
            place += 1
        ts += rng.expovariate(rate / MINUTE) * 0.7 + 0.3 * MINUTE / rate
