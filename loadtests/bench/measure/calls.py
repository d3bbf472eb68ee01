"""Count the round trips and commands of a request to Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import redis
from flask import Flask

from loadtests.bench.cases import rivals
from loadtests.bench.cases.apps import OURS, Bench, our_app
from loadtests.bench.cases.catalogue import FLASK_LIMITER, THROTTLED, our_name, their_name
from loadtests.bench.cases.rivals import FIXED, MOVING, ONE_LIMIT, SLIDING, THREE_LIMITS
from loadtests.bench.cases.subject import WsgiSubject, timed_call, warm
from loadtests.bench.measure.leases import dense_clients
from loadtests.bench.measure.processes import in_fork
from loadtests.servers import redis_server

DENSE_CLIENTS: Final = 200
DENSE_SECONDS: Final = 4.0
END: Final = "the request is over"


@dataclass(frozen=True)
class Calls:
    """Hold what a request asks of the server, without background work."""

    system: str
    case: str
    round_trips: float
    commands: tuple[str, ...]


def redis_calls(bench: Bench, requests: int) -> list[Calls]:
    """Count each system's calls, on a server without other clients."""
    results = []
    with redis_server() as url:
        alone = Bench(url, bench.model, min(bench.clients, requests))
        ours = partial(our_app, alone, "redis", background=False)
        theirs = partial(rivals.flask_limiter_app, alone, "redis")
        throttled = partial(rivals.throttled_app, alone, "redis")
        cases: list[tuple[str, str, Callable[[], Flask]]] = [
            (OURS, our_name(n, True, True), partial(ours, limits=n)) for n in (1, 3)
        ]
        strategies = [(name, ONE_LIMIT) for name in (SLIDING, MOVING, FIXED)]
        for name, limits in (*strategies, (SLIDING, THREE_LIMITS)):
            limited = partial(theirs, name, True, limits)
            cases.append((FLASK_LIMITER, their_name(name, True, len(limits)), limited))
        cases.append((THROTTLED, their_name(FIXED, True), throttled))
        for system, case, build in cases:
            figures = in_fork(partial(_count, alone, build, requests), f"{system}, {case}")
            results.append(Calls(system, case, *figures))
    clients = min(bench.clients, DENSE_CLIENTS)
    for leases in (False, True):
        dense = partial(dense_clients, clients, 2, DENSE_SECONDS, leases=leases)
        calls = in_fork(dense, "dense clients").calls / 1000
        name = f"{clients} dense clients round 2 workers, leases {'on' if leases else 'off'}"
        results.append(Calls(OURS, name, calls, ("EVALSHA",)))
    return results


def _count(
    bench: Bench, build: Callable[[], Flask], requests: int
) -> tuple[float, tuple[str, ...]]:
    subject = WsgiSubject(build(), bench.clients)
    warm(subject)
    with redis.Redis.from_url(bench.url) as server:
        commands = _commands_of(server, subject)
        reads = _quiet_reads(server)
        for _ in range(requests):
            timed_call(subject)
        # This reading itself is one.
        reads = _reads(server) - reads - 1
    return reads / requests, tuple(commands)


def _commands_of(server: redis.Redis, subject: WsgiSubject) -> list[str]:
    """List the commands of one request; those of its scripts are not sent."""
    names: Counter[str] = Counter()
    # Connected before the monitor listens: its greeting is no part of the request.
    marker = server.client()
    with marker, server.monitor() as monitor:
        timed_call(subject)
        marker.echo(END)
        while END not in (entry := monitor.next_command())["command"]:
            if entry["client_type"] != "lua":
                names[entry["command"].split()[0].upper()] += 1
    return list(names.elements())


def _quiet_reads(server: redis.Redis) -> int:
    """Count the reads when the server has seen the ends of all connections that were closed."""
    before = _reads(server)
    # This reading itself is one.
    while (now := _reads(server)) != before + 1:
        before = now
    return now


def _reads(server: redis.Redis) -> int:
    return int(server.info("stats")["total_reads_processed"])
