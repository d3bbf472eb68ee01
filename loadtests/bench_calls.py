"""What a request costs the Redis server: round trips, commands, and the time they take there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import redis
from flask import Flask

from loadtests import bench_rivals as rivals
from loadtests.bench_apps import OURS, PLENTY, Bench, our_app
from loadtests.bench_cases import FLASK_LIMITER, THROTTLED, our_name, their_name
from loadtests.bench_harness import forked, received
from loadtests.bench_rivals import FIXED, MOVING, SLIDING
from loadtests.bench_server import redis_server
from loadtests.bench_subject import BenchError, WsgiSubject

END = "the request is over"


@dataclass(frozen=True)
class Calls:
    """What one request costs the server; background work is not in it.

    Attributes:
        system: Whose request.
        case: What is switched on.
        round_trips: How often the server read something.
        commands: What it was sent, by one request.
        server_us: Of its time, within commands (INFO commandstats).
        server_cpu_us: Of its process, networking included.
    """

    system: str
    case: str
    round_trips: float
    commands: tuple[str, ...]
    server_us: float
    server_cpu_us: float


def redis_calls(bench: Bench, requests: int) -> list[Calls]:
    """Count and time each system's calls, on a server that nobody else asks.

    Raises:
        BenchError: A request failed.
    """
    three = [f"{PLENTY}/minute", f"{PLENTY * 10}/hour", f"{PLENTY * 100}/day"]
    found = []
    with redis_server() as url:
        alone = Bench(url, bench.model, min(bench.clients, requests))
        ours = partial(our_app, alone, "redis", background=False)
        theirs = partial(rivals.flask_limiter_app, alone, "redis")
        cases: list[tuple[str, str, Callable[[], Flask]]] = [
            (OURS, our_name(1, True, True), partial(ours, limits=1)),
            (OURS, our_name(3, True, True), partial(ours, limits=3)),
            *(
                (FLASK_LIMITER, their_name(strategy, True), partial(theirs, strategy, True, one))
                for one in (three[:1],)
                for strategy in (SLIDING, MOVING, FIXED)
            ),
            (FLASK_LIMITER, their_name(SLIDING, True, 3), partial(theirs, SLIDING, True, three)),
            (THROTTLED, their_name(FIXED, True), partial(rivals.throttled_app, alone, "redis")),
        ]
        for system, case, build in cases:
            with forked(partial(_count, alone, build, requests), case) as pipe:
                figures = received(pipe, f"{system}, {case}")
            found.append(Calls(system, case, *figures))
    return found


def _count(bench: Bench, build: Callable[[], Flask], requests: int, pipe: Connection) -> None:
    subject = WsgiSubject(build(), bench.clients)
    for _ in range(subject.warm_up):
        _ask(subject)
    with redis.Redis.from_url(bench.url) as server:
        commands = _commands_of(server, subject)
        server.config_resetstat()
        before = _cpu(server)
        reads = _reads(server)
        for _ in range(requests):
            _ask(subject)
        # This reading itself is one.
        reads = _reads(server) - reads - 1
        spent = _cpu(server) - before
        stats: dict[str, Any] = server.info("commandstats")
    per_call = {name: float(stats[f"cmdstat_{name.lower()}"]["usec_per_call"]) for name in commands}
    inside = sum(per_call[name] for name in commands)
    pipe.send((reads / requests, tuple(commands), inside, spent / requests * 1e6))


def _ask(subject: WsgiSubject) -> None:
    status = subject.call(subject.prepare())
    if status != 200:
        raise BenchError(f"answered {status}")


def _commands_of(server: redis.Redis, subject: WsgiSubject) -> list[str]:
    """What one request sends; what its scripts call is not sent."""
    seen: Counter[str] = Counter()
    # Connected before the monitor listens: its greeting is no part of the request.
    teller = server.client()
    with teller, server.monitor() as monitor:
        _ask(subject)
        teller.echo(END)
        while True:
            told = monitor.next_command()
            if END in told["command"]:
                return list(seen.elements())
            if told["client_type"] != "lua":
                seen[told["command"].split()[0].upper()] += 1


def _reads(server: redis.Redis) -> int:
    return int(server.info("stats")["total_reads_processed"])


def _cpu(server: redis.Redis) -> float:
    info = server.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
