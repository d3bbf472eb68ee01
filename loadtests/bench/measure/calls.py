"""Count the round trips and commands of a request to Redis, and time them there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import redis
from flask import Flask

from loadtests.bench.cases import rivals
from loadtests.bench.cases.apps import OURS, Bench, our_app
from loadtests.bench.cases.catalogue import FLASK_LIMITER, THROTTLED, our_name, their_name
from loadtests.bench.cases.rivals import FIXED, MOVING, ONE_LIMIT, SLIDING, THREE_LIMITS
from loadtests.bench.cases.subject import WsgiSubject, timed_call, warm
from loadtests.bench.measure.cpu import server_cpu
from loadtests.bench.measure.processes import in_fork
from loadtests.servers import redis_server

END: Final = "the request is over"


@dataclass(frozen=True)
class Calls:
    """Hold the cost of a request for the server, without background work.

    ``server_us`` is its time within commands (INFO commandstats), ``server_cpu_us`` the CPU time of
    its process, networking included.
    """

    system: str
    case: str
    round_trips: float
    commands: tuple[str, ...]
    server_us: float
    server_cpu_us: float


def redis_calls(bench: Bench, requests: int) -> list[Calls]:
    """Count and time each system's calls, on a server without other clients."""
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
    return results


def _count(
    bench: Bench, build: Callable[[], Flask], requests: int
) -> tuple[float, tuple[str, ...], float, float]:
    subject = WsgiSubject(build(), bench.clients)
    warm(subject)
    with redis.Redis.from_url(bench.url) as server:
        commands = _commands_of(server, subject)
        server.config_resetstat()
        cpu = server_cpu(server)
        reads = _reads(server)
        for _ in range(requests):
            timed_call(subject)
        # This reading itself is one.
        reads = _reads(server) - reads - 1
        cpu = server_cpu(server) - cpu
        stats: dict[str, Any] = server.info("commandstats")
    inside = sum(float(stats[f"cmdstat_{name.lower()}"]["usec_per_call"]) for name in commands)
    return reads / requests, tuple(commands), inside, cpu / requests * 1e6


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


def _reads(server: redis.Redis) -> int:
    return int(server.info("stats")["total_reads_processed"])
