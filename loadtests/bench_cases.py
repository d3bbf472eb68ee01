"""What the benchmark compares, line by line."""

from __future__ import annotations

from functools import partial

from loadtests import bench_rivals as rivals
from loadtests.bench_apps import OURS, PLENTY, Bench, bare, ours, ours_refused
from loadtests.bench_harness import Case
from loadtests.bench_rivals import FIXED, MOVING, SLIDING

STORES = ("memory", "redis")
FLASK_LIMITER = "Flask-Limiter"
THROTTLED = "throttled-py"
REFUSED = "refused, known to be over"
BARE = ("Flask", "", "bare")
RAW_EVALSHA = ("redis-py", "redis", "no-op EVALSHA, raw call")
IN_FLASK_EVALSHA = ("redis-py", "redis", "no-op EVALSHA before a view")
PING = ("redis-py", "redis", "PING, raw call")


def our_name(limits: int, headers: bool, model: bool) -> str:
    """What a case of flask_irl is called."""
    number = {1: "one limit", 3: "three limits"}[limits]
    return f"{number}, {'headers' if headers else 'no headers'}{', model' if model else ''}"


def their_name(strategy: str, headers: bool, limits: int = 1) -> str:
    """What a case of a rival is called."""
    number = {1: "one limit", 3: "three limits"}[limits]
    return f"{strategy}, {number}, {'headers' if headers else 'no headers'}"


def all_cases(bench: Bench) -> list[Case]:
    """Every case, the bare one first."""
    cases = [Case(*BARE, partial(bare, bench), bare=True)]
    three = [f"{PLENTY}/minute", f"{PLENTY * 10}/hour", f"{PLENTY * 100}/day"]
    for store in STORES:
        for limits in (1, 3):
            for headers in (True, False):
                for model in (True, False):
                    name = our_name(limits, headers, model)
                    build = partial(ours, bench, store, limits, headers, model)
                    cases.append(Case(OURS, store, name, build))
        cases.append(Case(OURS, store, REFUSED, partial(ours_refused, bench, store), 429))
    for store in STORES:
        for strategy in (SLIDING, MOVING, FIXED):
            for headers in (True, False):
                name = their_name(strategy, headers)
                rival = partial(rivals.flask_limiter, bench, store, strategy, headers, three[:1])
                cases.append(Case(FLASK_LIMITER, store, name, rival))
        rival = partial(rivals.flask_limiter, bench, store, SLIDING, True, three)
        cases.append(Case(FLASK_LIMITER, store, their_name(SLIDING, True, 3), rival))
        refused = partial(rivals.flask_limiter_refused, bench, store)
        cases.append(Case(FLASK_LIMITER, store, REFUSED, refused, 429))
        for headers in (True, False):
            build = partial(rivals.throttled, bench, store, headers)
            cases.append(Case(THROTTLED, store, their_name(FIXED, headers), build))
    cases.append(Case(*IN_FLASK_EVALSHA, partial(rivals.noop_in_flask, bench)))
    cases.append(Case(*RAW_EVALSHA, partial(rivals.raw_noop, bench), whole=False))
    cases.append(Case(*PING, partial(rivals.ping, bench), whole=False))
    return cases
