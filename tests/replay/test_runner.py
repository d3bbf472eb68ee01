from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_irl.behaviour.buffer import CAPACITY
from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.strategies import STRATEGIES
from flask_irl.limits.strategies.base import EMPTY, Cell
from flask_irl.replay.formats import LogEntry
from flask_irl.replay.report import ClientReport, ReplayReport
from flask_irl.replay.runner import MAX_PENDING, Replay
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.training.fit import Fit
from flask_irl.training.fit_aside import FitAside

START = 1_700_000_000.0
INTERVAL = 300.0


def entry(
    ts: float,
    client: str = "c",
    path: str = "/",
    method: str = "GET",
    status: int = 200,
    **more: Any,
) -> LogEntry:
    return LogEntry(
        ts, client, method, path, status, more.get("size", 500), "", more.get("label", "")
    )


def everything(limiter: Limiter, route: str, method: str) -> Plan | None:
    """Apply the base limit alone, whatever the route."""
    return limiter.plan(())


@contextmanager
def replaying(
    plan: Callable[[Limiter, str, str], Plan | None] = everything,
    *,
    max_pending: int = MAX_PENDING,
    fit: Fit | None = None,
    **options: Any,
) -> Iterator[Replay]:
    """Open a replay in which each path is a route."""
    run = Replay(
        Options(**options),
        route=lambda method, path: path,
        plan=plan,
        max_pending=max_pending,
        fit=fit,
    )
    try:
        yield run
    finally:
        run.close()


def replay(
    entries: Iterable[LogEntry],
    plan: Callable[[Limiter, str, str], Plan | None] = everything,
    **options: Any,
) -> ReplayReport:
    with replaying(plan, **options) as run:
        for one in entries:
            run.one(one)
        return run.report()


def client(report: ReplayReport, name: str) -> ClientReport:
    return next(c for c in report.clients if c.client == name)


def visitors(seed: int, clients: int, seconds: float, start: float = START) -> list[LogEntry]:
    """Make up people that read some pages, at their own pace."""
    rng = random.Random(seed)
    found = []
    for number in range(clients):
        now = start + rng.uniform(0, seconds / 4)
        while now < start + seconds:
            page = f"/page/{rng.choice('aabbbccdefg')}"
            status = 404 if rng.random() < 0.02 else 200
            size = int(rng.lognormvariate(8, 0.5))
            found.append(entry(now, f"person {number}", page, status=status, size=size))
            now += rng.lognormvariate(2.3, 0.8)
    return sorted(found)


def test_every_request_is_accounted_for() -> None:
    entries = visitors(1, 12, 900)
    report = replay(entries)
    counted = Counter(e.client for e in entries)
    assert report.requests == len(entries)
    assert {c.client: c.requests for c in report.clients} == counted
    for name in ("refused", "flagged", "static_refused"):
        assert getattr(report, name) == sum(getattr(c, name) for c in report.clients)


def test_without_requests_there_is_an_empty_report() -> None:
    assert replay([]) == ReplayReport(0, 0, 0, 0, 0, (), ())


def test_labels_are_kept() -> None:
    report = replay([entry(START, "a", label="scan"), entry(START, "b")])
    assert {c.client: c.label for c in report.clients} == {"a": "scan", "b": ""}


# The static limit

gaps = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.sampled_from([0.0, 0.001, 0.5, 1.0, 7.0, 59.9, 60.0, 200.0])
    ),
    max_size=120,
)


@given(gaps, st.sampled_from(sorted(STRATEGIES)))
@settings(max_examples=60)
def test_the_static_limit_refuses_what_the_strategy_alone_does(
    steps: list[tuple[str, float]], strategy: Any
) -> None:
    limits = (Limit(5, 60), Limit(8, 300))

    def plan(limiter: Limiter, route: str, method: str) -> Plan:
        return limiter.plan((Scope("x", limits[1:]),))

    entries, now = [], START
    for name, gap in steps:
        now += gap
        entries.append(entry(now, name))
    report = replay(entries, plan, base_limit=5, window_seconds=60, strategy=strategy)

    cells: dict[str, list[Cell]] = {}
    expected: Counter[str] = Counter()
    for one in entries:
        kept = cells.setdefault(one.client, [EMPTY, EMPTY])
        answers = [
            STRATEGIES[strategy](
                cell, float(int(one.ts * 1e6)), x.amount, x.window_seconds * 1e6, x.amount, 1
            )
            for cell, x in zip(kept, limits, strict=True)
        ]
        if all(answer.admitted for answer in answers):
            kept[:] = [answer.cell for answer in answers]
        else:
            expected[one.client] += 1
    assert {c.client: c.static_refused for c in report.clients if c.static_refused} == expected


def test_a_fixed_window_by_hand() -> None:
    times = [0, 1, 2, 59, 60, 61, 62, 121]
    report = replay(
        (entry(START + t) for t in times), base_limit=2, window_seconds=60, strategy="fixed-window"
    )
    # 0, 1 | 2 and 59 are too many | 60, 61 | 62 is too many | 121
    assert (report.static_refused, report.refused) == (3, 3)


def test_an_unflagged_client_is_refused_as_by_the_static_limit() -> None:
    rng = random.Random(3)
    entries = sorted(
        entry(START + rng.uniform(0, 240), f"c{n}", f"/{rng.randrange(5)}")
        for n in range(5)
        for _ in range(40 * (n + 1))
    )
    report = replay(entries, base_limit=60)
    assert report.models == ()
    assert report.static_refused > 0
    assert [c.refused for c in report.clients] == [c.static_refused for c in report.clients]


def test_a_route_without_a_plan_is_counted_and_never_refused() -> None:
    def plan(limiter: Limiter, route: str, method: str) -> Plan | None:
        return None if route == "/static" else limiter.plan(())

    entries = [entry(START, path=path) for path in ["/static"] * 9 + ["/"] * 3]
    report = replay(entries, plan, base_limit=2)
    assert (report.requests, report.refused, report.static_refused) == (12, 1, 1)


def test_the_apps_store_and_mode_are_not_used() -> None:
    report = replay(
        [entry(START)] * 3,
        base_limit=1,
        storage_uri="redis://127.0.0.1:1",
        storage_options={"socket_keepalive": True},
        mode="off",
        background=True,
    )
    assert (report.requests, report.refused) == (3, 2)


def outcome(
    entries: Iterable[LogEntry], *, history: bool = False, **options: Any
) -> tuple[str, list[tuple[Any, ...]]]:
    """Replay a log; give the report, and all that the store knows of each client by then."""
    with replaying(**options) as run:
        store = run.profiler._store
        assert isinstance(store, MemoryStore)
        store.keeps_history = history
        for one in entries:
            run.one(one)
        run.profiler.flush()
        assert bool(store.course_clients()) == history
        known = [
            (key, c.step, c.score, c.profile, c.last, c.expires, c.scopes)
            for key, c in store._clients.items()
        ]
        return run.report().to_json(), known


moves = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from([0.0, 0.001, 0.3, 1.1, 6.0, 61.0]),
        st.sampled_from([("GET", 200), ("GET", 404), ("POST", 401), ("POST", 200)]),
    ),
    min_size=1,
    max_size=150,
)


SCAN: list[tuple[str, float, Any]] = [("a", 1.1, ("GET", 404))] * 40


@given(moves)
@example(SCAN)
@settings(max_examples=25)
def test_whatever_is_kept_for_people_decides_nothing(steps: list[tuple[str, float, Any]]) -> None:
    entries, now = [], START
    for number, (name, gap, (method, status)) in enumerate(steps):
        now += gap
        entries.append(entry(now, name, f"/login/{number}", method, status))
    # Few answers are enough for the rules, so that some clients are flagged.
    options: dict[str, Any] = {"base_limit": 20, "login_failures": 3, "unknown_paths": 3}
    found = outcome(entries, **options)
    assert found == outcome(entries, history=True, **options)
    if steps == SCAN:
        assert json.loads(found[0])["flagged"] > 0


def test_no_courses_are_added_up_since_nobody_looks_at_them() -> None:
    with replaying(everything) as run:
        for one in visitors(1, 3, 60):
            run.one(one)
        run.report()
        assert run.profiler._store.course_clients() == []


# Models, in virtual time


def test_it_retrains_as_the_log_goes_on() -> None:
    report = replay(visitors(2, 30, 2400), min_clients=5)
    moments = [model.ts for model in report.models]
    assert 3 <= len(moments) <= 2400 / INTERVAL
    assert all(b - a >= INTERVAL for a, b in itertools.pairwise(moments))
    assert moments[0] >= START + INTERVAL
    assert moments[-1] <= START + 2400
    assert all(model.rows > 0 for model in report.models)
    accepted = [model.version for model in report.models if model.accepted]
    assert accepted == list(range(1, len(accepted) + 1))


@pytest.mark.slow
def test_the_same_log_gives_the_same_report() -> None:
    rng = random.Random(5)
    entries = sorted(
        [
            *visitors(4, 30, 620),
            *(entry(START + 400 + 0.2 * n, "scraper", f"/x/{rng.random()}") for n in range(900)),
        ]
    )
    here = outcome(entries, min_clients=5)
    assert here == outcome(entries, min_clients=5, history=True)
    with closing(FitAside()) as fit:
        assert here == outcome(entries, min_clients=5, fit=fit)
    report = json.loads(here[0])
    assert len(report["models"]) == 2
    assert report["flagged"] > 0


@pytest.mark.slow
def test_a_scraper_is_flagged_and_held_while_people_are_not() -> None:
    rng = random.Random(6)
    scraper = [
        entry(START + 700 + 0.7 * n, "scraper", f"/x/{rng.randrange(10**6)}", status=404)
        for n in range(700)
    ]
    report = replay(sorted([*visitors(7, 40, 1200), *scraper]), min_clients=5)
    caught = client(report, "scraper")
    assert caught.static_refused == 0
    assert caught.refused > 300
    assert caught.flagged >= caught.refused
    assert caught.first_flagged_request is not None
    assert caught.first_flagged_seconds is not None
    assert 0 < caught.first_flagged_request < 300
    assert caught.first_flagged_seconds == pytest.approx(0.7 * (caught.first_flagged_request - 1))
    people = [c for c in report.clients if c.client != "scraper"]
    assert sum(c.refused for c in people) == 0


def test_a_big_jump_in_time_is_one_training_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    with replaying() as run:
        ticks: list[float] = []
        tick = run._limiter.trainer.tick

        def ticked() -> object:
            ticks.append(run._now)
            return tick()

        monkeypatch.setattr(run._limiter.trainer, "tick", ticked)
        for ts in (0.0, 1.0, 4_000_000_000.0, 4_000_000_001.0):
            run.one(entry(ts))
        assert ticks == [INTERVAL]
        assert run.report().requests == 4


def test_what_came_before_a_long_silence_is_learned_from() -> None:
    before = visitors(8, 20, 240)
    after = visitors(9, 20, 240, START + 3 * 86_400)
    report = replay([*before, *after], min_clients=5)
    assert [model.ts for model in report.models] == [before[0].ts + INTERVAL]
    assert report.models[0].rows >= 10


def test_however_much_comes_at_once_nothing_is_lost() -> None:
    assert MAX_PENDING < CAPACITY
    with replaying(max_pending=50) as run:
        for number in range(400):
            run.one(entry(START, f"c{number // 4}"))
            assert len(run._limiter.profiler) <= 50
        run._flush()
        assert run._limiter.store.counts()["requests"] == 400


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([entry(START)], "shorter than the training interval"),
        ([entry(START), entry(START + 1000)], "at least 50"),
    ],
)
def test_it_says_why_there_is_no_model(entries: list[LogEntry], reason: str) -> None:
    with replaying() as run:
        for one in entries:
            run.one(one)
        assert reason in run.untrained


def test_with_a_model_there_is_nothing_to_say() -> None:
    with replaying(min_clients=5) as run:
        for one in visitors(2, 20, 700):
            run.one(one)
        assert run.report().models
        assert run.untrained == ""


def test_clients_with_odd_names_are_told_apart() -> None:
    names = ["a b", "a\tb", "{x}", "ü" * 200, "#1", "2001:db8::1", ""]
    report = replay([entry(START, name) for name in names * 2], base_limit=1)
    assert {c.client: (c.requests, c.refused) for c in report.clients} == dict.fromkeys(
        names, (2, 1)
    )


def test_addresses_are_grouped_as_the_app_groups_them() -> None:
    one_host = [entry(START + i, client=f"2001:db8::{i:x}") for i in range(10)]
    report = replay(one_host, base_limit=4, window_seconds=3600)
    assert report.refused == 6
    assert len(report.clients) == 10
