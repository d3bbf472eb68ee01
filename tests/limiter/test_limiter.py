from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from flask_irl.config.options import Options
from flask_irl.errors import StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.refusals import MOST_SECONDS
from flask_irl.limiter.starting import PAUSE_SECONDS
from flask_irl.limits.decision import Hit
from flask_irl.limits.limit import Limit, parse_limits
from flask_irl.limits.plan import Plan, Scope
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.state import Update
from tests.conftest import Clock
from tests.recorder import Recorder
from tests.servers import wait_until

CLIENT = "192.0.2.1"


class RemoteStore(MemoryStore):
    """The embedded store, behaving like one that is elsewhere and may be out."""

    local = False

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.error: Exception | None = None
        self.answer: Hit | None = None
        self.hits = 0
        self.probes = 0
        self.closed = 0

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        self.hits += 1
        if self.error is not None:
            raise self.error
        return self.answer or super().hit(plan, keys, cost)

    def ping(self) -> None:
        self.probes += 1
        if self.error is not None:
            raise self.error

    def load(self, clients: Sequence[str]) -> Any:
        if self.error is not None:
            raise self.error
        return super().load(clients)

    def forget(self, client: str, ttl_seconds: int) -> bool:
        if self.error is not None:
            raise self.error
        return super().forget(client, ttl_seconds)

    def take_lease(self, name: str, owner: str, seconds: float) -> bool:
        if self.error is not None:
            raise self.error
        return super().take_lease(name, owner, seconds)

    def close(self) -> None:
        self.closed += 1


class Subject:
    """A limiter on a remote store, both on one clock that stands still."""

    def __init__(self, clock: Clock, **options: Any) -> None:
        self.clock = clock
        self.store = RemoteStore(clock)
        self.listener = Recorder()
        options = {"base_limit": 3, "background": False, **options}
        self.limiter = Limiter(
            Options(**options), self.store, listener=self.listener, monotonic=clock
        )

    def plan(self, *scopes: Scope) -> Plan:
        return self.limiter.plan(scopes)

    def ask(self, plan: Plan | None = None, cost: int = 1, client: str = CLIENT) -> Any:
        plan = plan or self.plan()
        return self.limiter.decide(plan, (client,) * len(plan.scopes), cost)

    def asks(self, count: int, plan: Plan | None = None, **arguments: Any) -> list[str]:
        return [self.ask(plan, **arguments).outcome for _ in range(count)]

    def flag(self, step: int = 1) -> None:
        (state,) = self.store.load([CLIENT])
        self.store.save([Update(CLIENT, state.revision, step, -0.9, state.profile)], 3600)


def scope(name: str, limits: str, own_key: bool = False) -> Scope:
    return Scope(name, parse_limits(limits), own_key)


@pytest.fixture
def subject(clock: Clock) -> Iterator[Subject]:
    made = Subject(clock)
    yield made
    made.limiter.close()


# PlanCache


def test_a_plan_holds_the_limit_on_everything_before_the_routes(subject: Subject) -> None:
    plan = subject.plan(scope("x", "2/minute"))
    assert [(s.name, s.limits) for s in plan.scopes] == [
        ("", (Limit(3, 60),)),
        ("x", (Limit(2, 60),)),
    ]
    assert subject.plan(scope("x", "2/minute")) is plan
    assert subject.plan(scope("y", "2/minute")) is not plan


@pytest.mark.parametrize(
    ("mode", "factors", "enforce"),
    [
        ("enforce", (1.0, 0.3, 0.1, 0.0), True),
        ("shadow", (1.0, 0.3, 0.1, 0.0), False),
        ("off", (1.0,), False),
    ],
)
def test_the_mode_is_in_the_plan(
    clock: Clock, mode: str, factors: tuple[float, ...], enforce: bool
) -> None:
    subject = Subject(clock, mode=mode)
    assert subject.limiter.mode == mode
    assert (subject.plan().factors, subject.plan().enforce) == (factors, enforce)


def test_without_base_the_routes_own_limits_alone_count(subject: Subject) -> None:
    plan = subject.limiter.plans.without_base(subject.plan(scope("x", "5/minute")))
    assert subject.asks(6, plan) == [*["allowed"] * 5, "limited"]
    assert subject.asks(4) == [*["allowed"] * 3, "limited"]


# Refusals that this process knows


def test_who_is_over_is_refused_without_asking_the_store(subject: Subject) -> None:
    assert subject.asks(4) == ["allowed"] * 3 + ["limited"]
    assert subject.store.hits == 4
    again = subject.ask()
    assert subject.store.hits == 4
    assert (again.outcome, again.source, again.limit, again.remaining) == (
        *("limited", "local"),
        *(3, 0),
    )
    assert again.gap == -1.0
    assert subject.ask(client="192.0.2.2").admitted


def test_what_is_known_ages(subject: Subject) -> None:
    subject.asks(3)
    first = subject.ask()
    subject.clock.advance(4.25)
    second = subject.ask()
    assert second.source == "local"
    assert first.retry_after - second.retry_after == pytest.approx(4.25, abs=1e-5)
    assert first.reset_after - second.reset_after == pytest.approx(4.25, abs=1e-5)
    assert second.at - first.at == pytest.approx(4.25, abs=1e-5)


def test_the_reset_of_what_is_known_is_that_of_the_window_it_is_in(subject: Subject) -> None:
    # Two seconds of the window are left, and the client has to wait far into the next one.
    now = subject.clock() * 1e6
    subject.store.answer = Hit(False, 0, 0, False, 0.0, 3, 0, 2e6, 22e6, now, 5e6)
    refused = subject.ask()
    assert (refused.reset_after, refused.retry_after) == (2.0, 22.0)
    subject.clock.advance(1.5)
    assert subject.ask().reset_after == pytest.approx(0.5)
    subject.clock.advance(1.5)
    known = subject.ask()
    assert known.source == "local"
    assert known.reset_after == pytest.approx(59.0)
    assert known.retry_after == pytest.approx(19.0)


def test_who_waits_as_told_is_admitted_by_the_store(subject: Subject) -> None:
    subject.asks(3)
    wait = subject.ask().retry_after
    hits = subject.store.hits
    subject.clock.advance(wait)
    decision = subject.ask()
    assert (decision.outcome, decision.source) == ("allowed", "store")
    assert subject.store.hits == hits + 1


def test_what_is_known_is_believed_for_seconds_only(subject: Subject) -> None:
    plan = subject.plan(scope("x", "1/day"))
    assert subject.asks(2, plan) == ["allowed", "limited"]
    subject.clock.advance(MOST_SECONDS - 0.1)
    assert subject.ask(plan).source == "local"
    subject.clock.advance(0.2)
    assert subject.ask(plan).source == "store"


def test_a_routes_refusal_holds_for_that_route_only(subject: Subject) -> None:
    x, y = subject.plan(scope("x", "1/minute")), subject.plan(scope("y", "1/minute"))
    assert subject.asks(2, x) == ["allowed", "limited"]
    assert subject.ask(y).source == "store"
    assert subject.ask().source == "store"


def test_a_refusal_of_everything_holds_for_every_route(subject: Subject) -> None:
    subject.asks(4)
    decision = subject.ask(subject.plan(scope("x", "50/minute")))
    assert (decision.source, decision.scope, decision.limit) == ("local", "", 3)


def test_a_refusal_of_everything_does_not_speak_for_limits_asked_without_it(
    subject: Subject,
) -> None:
    subject.asks(4)
    plan = subject.limiter.plans.without_base(subject.plan(scope("x", "50/minute")))
    assert subject.ask(plan).outcome == "allowed"


@pytest.mark.parametrize(
    ("refusing", "asked"),
    [
        (["own", "shared"], ["shared"]),
        (["shared"], ["own", "shared"]),
        (["own", "shared"], ["other", "own", "shared"]),
    ],
)
def test_a_shared_refusal_shows_itself_wherever_it_stands_in_a_plan(
    clock: Clock, refusing: list[str], asked: list[str]
) -> None:
    subject = Subject(clock, base_limit=50)
    scopes = {
        "own": scope("own", "20/second;30/hour"),
        "other": scope("other", "40/day"),
        "shared": scope("shared:x", "1/minute"),
    }
    one = subject.plan(*(scopes[name] for name in refusing))
    other = subject.plan(*(scopes[name] for name in asked))
    assert subject.asks(2, one) == ["allowed", "limited"]
    known = subject.ask(other)
    assert (known.outcome, known.source) == ("limited", "local")
    assert (known.scope, known.window_seconds, known.limit) == ("shared:x", 60, 1)


def test_a_limit_that_was_raised_is_asked_about(subject: Subject) -> None:
    assert subject.asks(2, subject.plan(scope("x", "1/minute"))) == ["allowed", "limited"]
    raised = subject.ask(subject.plan(scope("x", "3/minute")))
    assert (raised.outcome, raised.source) == ("allowed", "store")


def test_a_smaller_cost_is_asked_about_and_a_larger_one_is_not(subject: Subject) -> None:
    assert subject.ask(cost=2).admitted
    assert not subject.ask(cost=2).admitted
    assert subject.ask(cost=3).source == "local"
    assert (subject.ask(cost=1).outcome, subject.ask(cost=0).outcome) == ("allowed", "allowed")


def test_a_refusal_of_another_key_is_not_the_clients(subject: Subject) -> None:
    plan = subject.plan(scope("x", "1/minute", own_key=True))
    decide = subject.limiter.decide
    assert [decide(plan, (CLIENT, "user:1")).outcome for _ in range(2)] == ["allowed", "limited"]
    assert decide(plan, (CLIENT, "user:2")).outcome == "allowed"


def test_who_is_forgotten_is_asked_about(subject: Subject) -> None:
    subject.asks(5)
    assert subject.limiter.forget(CLIENT)
    assert subject.ask().outcome == "allowed"


def test_with_an_embedded_store_nothing_is_kept_twice(clock: Clock) -> None:
    limiter = Limiter(Options(base_limit=1, background=False), MemoryStore(clock=clock))
    decisions = [limiter.decide(limiter.plan(()), (CLIENT,)) for _ in range(3)]
    assert [d.source for d in decisions] == ["store"] * 3


# Verdicts


def test_a_step_tightens_what_the_store_decides(clock: Clock) -> None:
    subject = Subject(clock, base_limit=10)
    subject.ask()
    subject.flag()
    decision = subject.ask()
    assert (decision.limit, decision.remaining, decision.is_anomalous) == (3, 1, True)
    assert decision.score == pytest.approx(-0.9)


def test_in_shadow_the_outcome_alone_tells(clock: Clock) -> None:
    subject = Subject(clock, base_limit=4, mode="shadow")
    subject.ask()
    subject.flag()
    found = [subject.ask() for _ in range(4)]
    assert [d.outcome for d in found] == ["shadow_limited"] * 3 + ["limited"]
    assert {d.limit for d in found} == {4}
    assert [d.admitted for d in found] == [True, True, True, False]


# When the store fails


FAILURES: list[tuple[Exception, str]] = [
    (StoreError("too late", kind="timeout"), "timeout"),
    (StoreError("no", kind="refused"), "refused"),
    (ValueError("a bug of ours"), "error"),
    (MemoryError(), "error"),
]


@pytest.mark.parametrize(("error", "kind"), FAILURES, ids=lambda value: str(value)[:10])
def test_deciding_never_raises(subject: Subject, error: Exception, kind: str) -> None:
    subject.store.error = error
    assert subject.asks(4) == ["allowed"] * 3 + ["limited"]
    assert subject.listener.store_errors == [kind] * 3


def test_after_three_failures_the_store_is_not_asked(subject: Subject) -> None:
    subject.store.error = StoreError("no", kind="refused")
    subject.asks(50)
    assert subject.store.hits == 3
    assert subject.listener.fallbacks == [True]


def test_a_success_in_between_begins_the_count_anew(subject: Subject) -> None:
    for client in range(5):
        subject.store.error = StoreError("too late", kind="timeout")
        subject.asks(2, client=f"c{client}")
        subject.store.error = None
        subject.ask(client=f"c{client}")
    assert subject.store.hits == 15
    assert not subject.limiter.breaker.is_open


def test_the_local_limiter_holds_the_full_limit_for_each_client(subject: Subject) -> None:
    subject.store.error = StoreError("no", kind="refused")
    plan = subject.plan(scope("x", "2/minute"))
    for client in ("a", "b"):
        assert subject.asks(3, plan, client=client) == ["allowed", "allowed", "limited"]
        assert subject.asks(2, client=client) == ["allowed", "limited"]
    assert subject.ask(client="a").source == "fallback"


def test_the_local_limiter_knows_of_no_verdicts(clock: Clock) -> None:
    subject = Subject(clock, base_limit=10)
    subject.ask()
    subject.flag()
    subject.store.error = StoreError("no", kind="refused")
    found = [subject.ask() for _ in range(11)]
    assert [d.admitted for d in found] == [*[True] * 10, False]
    assert not any(d.is_anomalous for d in found)


def test_allow_admits_everybody_and_shows_no_limit(clock: Clock) -> None:
    subject = Subject(clock, on_store_error="allow")
    subject.store.error = StoreError("no", kind="refused")
    found = [subject.ask() for _ in range(9)]
    assert {(d.outcome, d.source) for d in found} == {("allowed", "none")}


def test_deny_blocks_everybody_and_says_when_to_come_back(clock: Clock) -> None:
    subject = Subject(clock, on_store_error="deny")
    subject.store.error = StoreError("no", kind="refused")
    decision = subject.ask()
    assert (decision.outcome, decision.source, decision.admitted) == ("blocked", "none", False)
    assert (decision.remaining, decision.retry_after, decision.reset_after) == (0, 1.0, 1.0)


def test_it_comes_back_by_itself_and_logs_each_change_once(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    subject.store.error = StoreError("connection refused by the test", kind="refused")
    subject.asks(20)
    assert subject.limiter.breaker.is_open
    subject.store.error = None
    wait_until(lambda: not subject.limiter.breaker.is_open, "the store being back", 10)
    assert subject.ask(client="192.0.2.9").source == "store"
    wait_until(lambda: "store_back" in caplog.text, "the line that says so", 10)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[0] for line in lines if "store_lost" in line or "store_back" in line] == [
        "store_lost",
        "store_back",
    ]
    lost = next(line for line in lines if line.startswith("store_lost"))
    assert "then=memory" in lost
    assert "connection refused by the test" in lost
    assert subject.listener.fallbacks == [True, False]


def test_a_flood_of_failures_is_a_line_a_second(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    subject.store.error = StoreError("too late", kind="timeout")
    for client in range(20):
        subject.asks(2, client=f"c{client}")
        subject.limiter.breaker.success()
    assert sum("store_error" in record.getMessage() for record in caplog.records) == 1


def test_forgetting_says_that_the_store_failed(subject: Subject) -> None:
    subject.store.error = StoreError("no", kind="refused")
    with pytest.raises(StoreError):
        subject.limiter.forget(CLIENT)


def test_training_never_raises(subject: Subject) -> None:
    subject.asks(2)
    subject.store.error = StoreError("no", kind="refused")
    training = subject.limiter.train()
    assert training.result == "failed"
    assert training.reason == "the store failed: no"


# Logs


def test_a_flood_of_refusals_is_a_line_a_second(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    subject.asks(3)
    refused = subject.ask()
    for _ in range(200):
        subject.limiter.log_refusal(refused, "/x")
    lines = [r.getMessage() for r in caplog.records if "request_refused" in r.getMessage()]
    assert 1 <= len(lines) <= 2
    assert f"client={CLIENT}" in lines[0]
    assert "route=/x" in lines[0]
    assert "limit=3" in lines[0]


def test_what_is_swallowed_is_counted_each_time_and_logged_with_its_traceback(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        subject.limiter.failures.swallow("somewhere", LookupError("our own fault"))
    assert subject.listener.swallowed_at == ["somewhere"] * 50
    (record,) = [r for r in caplog.records if "limiter_error" in r.getMessage()]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "our own fault" in record.getMessage()


# Background work


def irl_threads() -> set[str]:
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if "APScheduler" in name or name.startswith("irl")}


def test_without_background_no_thread_is_started(subject: Subject) -> None:
    before = irl_threads()
    subject.asks(5)
    assert irl_threads() == before
    assert not subject.limiter.worker.running


def test_background_work_starts_with_a_later_request_if_the_first_finds_no_thread(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    subject = Subject(clock, background=True)
    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", refuse)
        assert subject.ask().admitted
    assert not subject.limiter.worker.running
    assert subject.listener.swallowed_at == ["start"]
    clock.advance(PAUSE_SECONDS)
    subject.ask()
    assert subject.limiter.worker.running
    subject.limiter.close()


def test_background_work_starts_with_the_first_request_and_ends_with_close(clock: Clock) -> None:
    subject = Subject(clock, background=True)
    assert not subject.limiter.worker.running
    subject.asks(2)
    assert subject.limiter.worker.running
    subject.limiter.close()
    assert not subject.limiter.worker.running
    subject.asks(1)
    assert not subject.limiter.worker.running


def test_closing_flushes_what_was_observed_and_lets_connections_go(subject: Subject) -> None:
    decision = subject.ask()
    subject.limiter.observe(decision, route="/x", path=1, method="GET", status=200, size=5)
    subject.limiter.close()
    assert subject.store.counts()["requests"] == 1
    assert subject.store.closed == 1


def test_closing_without_a_store_raises_nothing(subject: Subject) -> None:
    decision = subject.ask()
    subject.limiter.observe(decision, route="/x", path=1, method="GET", status=200, size=5)
    subject.store.error = StoreError("no", kind="refused")
    subject.limiter.close()
    subject.limiter.close()


def test_off_nothing_is_observed(clock: Clock) -> None:
    subject = Subject(clock, mode="off")
    decision = subject.ask()
    subject.limiter.observe(decision, route="/x", path=1, method="GET", status=200, size=5)
    assert subject.limiter.flush() == 0


def test_a_fork_begins_with_nothing_of_its_parents(subject: Subject) -> None:
    subject.asks(5)
    decision = subject.ask(client="192.0.2.2")
    subject.limiter.observe(decision, route="/x", path=1, method="GET", status=200, size=5)
    subject.store.error = StoreError("no", kind="refused")
    subject.asks(4, client="192.0.2.3")
    assert subject.limiter.breaker.is_open
    owner = subject.limiter.trainer.owner
    # Here the parent's thread would go on; in a fork it isn't there.
    subject.limiter.breaker.close()
    subject.store.error = None
    subject.limiter.after_fork()
    assert not subject.limiter.breaker.is_open
    assert subject.limiter.flush() == 0
    assert subject.limiter.trainer.owner != owner
    assert subject.ask().source == "store"


def test_a_fork_while_the_store_is_out_reports_that_it_asks_the_store(subject: Subject) -> None:
    subject.store.error = StoreError("gone")
    subject.asks(4)
    assert subject.limiter.breaker.is_open
    subject.limiter.breaker.close()
    subject.limiter.after_fork()
    # Not yet: the listener may be locked for ever.
    assert subject.listener.fallbacks == [True]
    subject.store.error = None
    subject.asks(2)
    assert subject.listener.fallbacks == [True, False]
