"""Play the demo's attack in virtual time, so that the operator's page has something to show."""

from __future__ import annotations

import heapq
import itertools
import json
import zlib
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Final

from flask import Flask

from demo_app.cast import Phase, Role, attack_roles, normal_roles
from demo_app.catalogue import is_on_sale
from demo_app.personas import Call, Script
from demo_app.views import PASSWORD
from flask_irl.campaigns.campaign import Campaign, Subject, Table
from flask_irl.stores.memory.store import MemoryStore
from tests.admin.api import make_app
from tests.conftest import Clock
from tests.operations.worker import Worker

THREE_IN_THE_MORNING: Final = 1_795_836_600.0
"""2026-11-28, 03:10 UTC."""
LEARNING: Final = 1500.0
ATTACK: Final = 240.0
EVERY: Final = 3
"""Of the demo's normal clients, one of so many comes."""
SCANNER: Final = "203.0.113.14"
TRIES: Final = ((120.0, 60), (400.0, 25))
"""Seconds of learning at which the scanner tries itself, and the number of its requests."""
VISITS: Final = (700.0, 950.0, 1250.0)
"""Seconds of learning at which it looks around as others do, and gets its full limit back."""
VISITED: Final = 12
"""Requests of such a visit."""
CAMPAIGN: Final = Campaign(
    Subject("login", "/login", "direct"), THREE_IN_THE_MORNING - 90.0, 41.0, 96.0, 0.5
)
ROUTES: Final = [
    {"route": "/api/data", "methods": ["GET"], "limits": [], "exempt": False},
    {"route": "/api/items/<int:number>", "methods": ["GET"], "limits": [], "exempt": False},
    {
        "route": "/api/heavy-operation",
        "methods": ["GET"],
        "limits": ["20 per 1 minute"],
        "exempt": False,
    },
    {"route": "/login", "methods": ["POST"], "limits": [], "exempt": False},
    {"route": "/health", "methods": ["GET"], "limits": [], "exempt": True},
]


def play(learning: float = LEARNING, attack: float = ATTACK, **more: object) -> Worker:
    """Let normal clients teach a limiter, and attackers join them; gives it as of the attack.

    Args:
        learning: Seconds of learning.
        attack: Seconds of the attack.
        **more: Further options of the limiter.
    """
    clock = Clock(THREE_IN_THE_MORNING - learning - attack)
    options = {
        "base_limit": 100,
        "window_seconds": 60,
        "strategy": "sliding-window-counter",
        "min_clients": 5,
        "plans": {"partner": "600/minute;50000/day", "trial": "30/minute"},
        "recent_requests": 10,
        **more,
    }
    worker = Worker(MemoryStore(clock=clock), options, monotonic=clock)
    normal, attackers = normal_roles()[::EVERY], attack_roles()
    names = {f"198.51.100.{n}": role.name for n, role in enumerate(normal, 20)}
    names |= {f"203.0.113.{n}": role.name for n, role in enumerate(attackers, 11)}
    worker.limiter.label_of = names.get
    roles = dict(zip(names, [*normal, *attackers], strict=True))
    _run(worker, clock, roles, learning, attack)
    return worker


def begin_campaign(worker: Worker) -> None:
    """Have a campaign run beside the attack."""
    revision, _ = worker.store.campaigns()
    table = Table({CAMPAIGN.subject: CAMPAIGN})
    assert worker.store.put_campaigns(revision, table.encode())


def app_of(worker: Worker) -> Flask:
    """Make an app with the page on a scene."""
    return make_app(worker.operations, routes=lambda: ROUTES)


def _run(
    worker: Worker, clock: Clock, roles: dict[str, Role], learning: float, attack: float
) -> None:
    numbers, start = itertools.count(), clock()
    due: list[tuple[float, int, str, Iterator[Call], Call]] = []

    def begin(client: str, script: Script, at: float) -> None:
        calls = script(Random(client))
        call = next(calls)
        heapq.heappush(due, (at + call.pause, next(numbers), client, calls, call))

    for client, role in roles.items():
        for act in role.acts:
            if act.script is not None and act.phase is Phase.LEARNING:
                begin(client, act.script, start)
            elif act.script is not None and act.phase is Phase.ATTACK:
                begin(client, act.script, start + learning + act.at * attack)
    if learning == LEARNING:
        [scans] = [act.script for act in roles[SCANNER].acts if act.script is not None]
        looks = next(act.script for act in normal_roles()[0].acts if act.script is not None)
        for at, count in TRIES:
            begin(SCANNER, partial(_some, scans, count), start + at)
        for at in VISITS:
            begin(SCANNER, partial(_some, looks, VISITED), start + at)
    second, trained = start, False
    while due and due[0][0] < start + learning + attack:
        at, _, client, calls, call = heapq.heappop(due)
        while second + 1 <= at:
            second += 1
            clock.now = second
            worker.limiter.flush()
            if not trained and second >= start + learning * 0.95:
                trained = True
                assert worker.limiter.train().result == "accepted"
        clock.now = max(clock.now, at)
        _ask(worker, client, call)
        following = next(calls, None)
        if following is not None:
            heapq.heappush(due, (at + following.pause, next(numbers), client, calls, following))
    worker.limiter.flush()


def _some(script: Script, count: int, dice: Random) -> Iterator[Call]:
    """Give the first calls of a script."""
    return itertools.islice(script(dice), count)


def _ask(worker: Worker, client: str, call: Call) -> None:
    route, status = _answer(call)
    limiter, path = worker.limiter, zlib.crc32(call.path.encode())
    decision = limiter.decide(limiter.plan(()), (client,))
    limiter.observe(
        decision,
        route=route,
        path=path,
        method=call.method,
        status=status if decision.admitted else 429,
        size=1000,
        # Made up, as all of it is: a Redis nearby.
        seconds=0.00012 * (1 + path % 97 / 40),
    )


def _answer(call: Call) -> tuple[str, int]:
    """Give route and status as the demo's app does."""
    path = call.path.partition("?")[0]
    if path.startswith("/api/items/"):
        return "/api/items/<int:number>", 200 if is_on_sale(int(path[11:])) else 404
    if path == "/login":
        right = json.loads(call.body or b"{}").get("password") == PASSWORD
        return path, 200 if right else 401
    known = ("/", "/api/data", "/api/process", "/api/heavy-operation")
    return (path, 200) if path in known else ("unmatched", 404)
