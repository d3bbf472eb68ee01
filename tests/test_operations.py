"""What an operator asks and changes, on a real limiter with each kind of store."""

from __future__ import annotations

import dataclasses
import math
import random
import time
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from flask_irl import limiter as limiter_module
from flask_irl.errors import ConfigurationError, ModelError, StoreError
from flask_irl.features import FEATURE_NAMES
from flask_irl.keys import canonical
from flask_irl.limiter import Limiter
from flask_irl.model import Model, dump
from flask_irl.operations import MAX_REASON, MAX_TRIES, ORDERS, Operations
from flask_irl.options import Options
from flask_irl.overrides import MAX_SECONDS
from flask_irl.records import Decision, Update
from flask_irl.rows import ABUSE, GOOD, client_hash, unpack_rows
from flask_irl.settings import write_settings
from flask_irl.stores.addresses import locate
from flask_irl.stores.base import Store
from flask_irl.stores.memory import MemoryStore
from flask_irl.stores.redis import RedisStore
from flask_irl.trainer import fit_here
from tests.conftest import Clock

ADA = "ada"


class Worker:
    """A limiter as one process has it, with its operator's side."""

    def __init__(self, store: Store, options: Mapping[str, Any]) -> None:
        self.store = store
        self.limiter = Limiter(
            Options(
                **{
                    "base_limit": 10,
                    "strategy": "fixed-window",
                    "background": False,
                    "learning_minutes": 0.0,
                    **options,
                }
            ),
            store,
            fit=fit_here,
        )
        self.operations = Operations(self.limiter)

    def ask(
        self, client: str = "c", route: str = "/", path: int = 1, status: int = 200
    ) -> Decision:
        """One request, answered and observed."""
        decision = self.limiter.decide(self.limiter.plan(()), (client,))
        self.limiter.observe(
            decision,
            route=route,
            path=path,
            method="GET",
            status=status if decision.admitted else 429,
            size=1000,
        )
        return decision

    def admitted(self, count: int, client: str = "c") -> int:
        """How many of so many requests pass."""
        return sum(self.ask(client).admitted for _ in range(count))

    def flag(self, client: str = "c", score: float = -0.9) -> None:
        """Put a client a step down, as a verdict does."""
        [state] = self.store.load([client])
        assert state is not None
        update = Update(client, state.revision, 1, score, state.profile)
        assert self.store.save([update], 3600) == ["saved"]

    def audited(self) -> list[dict[str, Any]]:
        return self.operations.audit()[0]

    def publish(self, model: Model, version: int = 1) -> bytes:
        """Put a model in force, as a training in another worker does."""
        blob = dump(dataclasses.replace(model, version=version))
        assert self.store.publish(self.store.model_version(), version, blob)
        return blob


class Site:
    """Workers that share a store."""

    def __init__(self, clock: Clock, open_store: Callable[[], Store]) -> None:
        self.clock = clock
        self._open = open_store
        self.workers: list[Worker] = []

    def worker(self, **options: Any) -> Worker:
        self.workers.append(Worker(self._open(), options))
        return self.workers[-1]


@pytest.fixture(params=["memory", "redis"])
def site(
    request: pytest.FixtureRequest, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site whose time stands still until it is told."""
    ticking = types.SimpleNamespace(monotonic=clock, time=time.time)
    monkeypatch.setattr(limiter_module, "time", ticking)
    if request.param == "memory":
        memory = MemoryStore(clock=clock)
        found = Site(clock, lambda: memory)
    else:
        location = locate(request.getfixturevalue("redis_url"))
        found = Site(clock, lambda: RedisStore(location, timeout=5, clock=clock))
    yield found
    for worker in found.workers:
        worker.limiter.close()


@pytest.fixture
def here(site: Site) -> Worker:
    return site.worker()


@pytest.fixture(scope="module")
def trained() -> Model:
    """A model of a quiet site: people who ask now and then, and get a 404 once in a while."""
    clock, draw = Clock(), random.Random(1)
    worker = Worker(MemoryStore(clock=clock), {"base_limit": 1000})
    pauses = {f"person-{n}": draw.uniform(2, 12) for n in range(40)}
    for _ in range(300):
        for name, pause in pauses.items():
            if draw.random() < 1 / pause:
                status = 404 if draw.random() < 0.1 else 200
                worker.ask(name, draw.choice("/a /b /c".split()), draw.randrange(20), status)
        clock.advance(1)
        worker.limiter.flush()
    training = worker.limiter.train()
    assert (training.result, worker.limiter.trainer.model.advisory) == ("accepted", False)
    return worker.limiter.trainer.model


def attack(site: Site, worker: Worker, client: str = "mallory", seconds: int = 30) -> None:
    """Look for pages that aren't there, twice a second."""
    for second in range(seconds):
        for half in range(2):
            worker.ask(client, "unmatched", 1000 + 2 * second + half, 404)
            site.clock.advance(0.5)
        worker.limiter.flush()


# Figures


def test_at_first_all_figures_are_nought(here: Worker) -> None:
    found = here.operations.stats()
    assert (found["total_requests"], found["refused"], found["anomalous"]) == (0, 0, 0)
    assert (found["hit_rate"], found["anomaly_rate"]) == (0.0, 0.0)
    assert (found["unique_clients"], found["flagged_clients"]) == (0, 0)
    assert (found["endpoints"], found["buffer_size"]) == ({}, {})
    assert (found["model_trained"], found["model_version"], found["learning"]) == (
        *(False, 0),
        "learning",
    )
    assert (found["mode"], found["store_ok"]) == ("enforce", True)


def test_figures_are_those_of_the_traffic(here: Worker) -> None:
    for n in range(13):
        here.ask("a", "/x" if n < 9 else "/y")
    for _ in range(2):
        here.ask("b", "/y")
    here.limiter.flush()
    found = here.operations.stats()
    assert (found["total_requests"], found["refused"], found["unique_clients"]) == (15, 3, 2)
    assert found["hit_rate"] == pytest.approx(3 / 15)
    assert list(found["endpoints"].items()) == [("/x", 9), ("/y", 6)]


def test_what_waits_for_the_flush_is_told_by_client(here: Worker) -> None:
    here.admitted(2, "few")
    here.admitted(5, "many")
    assert list(here.operations.stats()["buffer_size"].items()) == [("many", 5), ("few", 2)]
    here.limiter.flush()
    assert here.operations.stats()["buffer_size"] == {}


def test_requests_of_flagged_clients_count_as_anomalous(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    here.flag()
    here.admitted(3)
    here.limiter.flush()
    found = here.operations.stats()
    # A flagged client keeps three: the one before counts, two pass now, the third is refused.
    assert (found["anomalous"], found["refused"], found["anomaly_rate"]) == (3, 1, 0.75)


def test_figures_are_those_of_all_workers(site: Site, here: Worker) -> None:
    there = site.worker()
    here.admitted(3, "a")
    there.admitted(4, "b")
    here.limiter.flush()
    there.limiter.flush()
    found = here.operations.stats()
    assert (found["total_requests"], found["unique_clients"]) == (7, 2)


@pytest.mark.parametrize(("advisory", "learning"), [(True, "advisory"), (False, "active")])
def test_how_learning_stands_is_told(
    here: Worker, trained: Model, advisory: bool, learning: str
) -> None:
    here.publish(dataclasses.replace(trained, advisory=advisory), 3)
    found = here.operations.stats()
    assert (found["model_trained"], found["model_version"], found["learning"]) == (
        *(True, 3),
        learning,
    )


def test_flagged_clients_are_counted_and_listed(site: Site, trained: Model) -> None:
    here = site.worker(further_factors=())
    here.publish(trained)
    here.limiter.refresh()
    here.ask("person-1")
    attack(site, here)
    assert here.operations.stats()["flagged_clients"] == 1
    [entry], total = here.operations.clients(order="flagged")
    assert (entry["client"], entry["step"], entry["is_anomalous"], total) == (
        *("mallory", 1),
        *(True, 1),
    )


# Limits


def test_limits_are_told_with_what_each_step_leaves(site: Site) -> None:
    found = site.worker(base_limit=50, anomalous_factor=0.5).operations.limits()
    assert (found["base_limit"], found["window_seconds"], found["mode"]) == (50, 60, "enforce")
    assert found["steps"] == [
        {"step": 0, "factor": 1.0, "limit": 50},
        {"step": 1, "factor": 0.5, "limit": 25},
        {"step": 2, "factor": 0.1, "limit": 5},
        {"step": 3, "factor": 0.0, "limit": 0},
    ]


def test_a_raised_limit_holds_for_the_next_request_of_who_was_refused(here: Worker) -> None:
    assert here.admitted(12) == 10
    assert here.operations.set_limits({"base_limit": 15}, ADA)["base_limit"] == 15
    assert here.admitted(12) == 5


def test_a_lowered_limit_holds_for_the_next_request(here: Worker) -> None:
    here.admitted(5)
    here.operations.set_limits({"base_limit": 3}, ADA)
    decision = here.ask()
    assert (decision.admitted, decision.limit) == (False, 3)


def test_a_changed_window_holds_for_the_next_request(here: Worker) -> None:
    here.operations.set_limits({"window_seconds": 7}, ADA)
    decision = here.ask()
    assert (decision.window_seconds, decision.reset_after) == (7, 7.0)


def test_a_changed_factor_holds_for_the_next_request_of_a_flagged_client(here: Worker) -> None:
    here.ask()
    here.flag()
    assert here.ask().limit == 3
    here.operations.set_limits({"anomalous_factor": 0.8}, ADA)
    assert here.ask().limit == 8


@pytest.mark.parametrize(("threshold", "flagged"), [(-1.0, 0), (-0.5, 1)])
def test_a_changed_threshold_holds_for_the_next_verdict(
    site: Site, trained: Model, threshold: float, flagged: int
) -> None:
    here = site.worker(anomaly_threshold=-0.9)
    here.publish(trained)
    here.operations.set_limits({"anomaly_threshold": threshold}, ADA)
    attack(site, here)
    assert here.operations.stats()["flagged_clients"] == flagged


def test_a_change_holds_in_every_worker_that_looks_for_news(site: Site, here: Worker) -> None:
    there = site.worker()
    here.operations.set_limits({"base_limit": 3}, ADA)
    there.limiter.refresh()
    assert there.admitted(5) == 3


def test_a_change_outlives_the_worker(site: Site, here: Worker) -> None:
    here.operations.set_limits({"base_limit": 3}, ADA)
    here.operations.set_mode("shadow", ADA)
    restarted = site.worker()
    found = restarted.operations.limits()
    assert (found["base_limit"], found["mode"]) == (3, "shadow")
    assert restarted.admitted(5) == 3


def test_a_setting_taken_back_is_as_configured(here: Worker) -> None:
    here.operations.set_limits({"base_limit": 3, "window_seconds": 7}, ADA)
    found = here.operations.set_limits({"base_limit": None}, ADA)
    assert (found["base_limit"], found["window_seconds"]) == (10, 7)
    assert here.ask().limit == 10


def test_a_change_of_limits_is_audited(site: Site, here: Worker) -> None:
    site.clock.advance(5)
    here.operations.set_limits({"base_limit": 3, "anomalous_factor": 0.5}, ADA)
    [entry] = here.audited()
    assert entry == {
        "at": site.clock(),
        "who": ADA,
        "action": "limits",
        "target": "",
        "before": {"base_limit": 10, "anomalous_factor": 0.3},
        "after": {"base_limit": 3, "anomalous_factor": 0.5},
        "reason": "",
    }


def test_what_another_worker_changed_is_what_was_before(site: Site, here: Worker) -> None:
    there = site.worker()
    here.operations.set_limits({"base_limit": 50}, ADA)
    there.operations.set_limits({"base_limit": 20}, "bob")
    entry = there.audited()[0]
    assert (entry["before"], entry["after"]) == ({"base_limit": 50}, {"base_limit": 20})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"base_limit": 0}, "base_limit"),
        ({"window_seconds": 3, "base_limit": "many"}, "base_limit"),
        ({"base_limit": 3, "anomalous_factor": 1.5}, "anomalous_factor"),
        ({"anomaly_threshold": 1}, "anomaly_threshold"),
        ({"strategy": "gcra"}, "strategy"),
        ({"base_limit": 3, "strategy": None}, "strategy"),
        ({"mode": "off"}, "mode"),
        ({"mode": None}, "mode"),
    ],
)
def test_limits_that_are_not_allowed_are_named_and_change_nothing(
    here: Worker, changes: dict[str, Any], named: str
) -> None:
    before = here.operations.limits()
    with pytest.raises(ConfigurationError, match=named):
        here.operations.set_limits(changes, ADA)
    assert here.operations.limits() == before
    assert here.audited() == []


def test_of_two_changes_at_once_both_hold(here: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = here.store.put_settings
    others = [write_settings({"window_seconds": 7})]

    def put_settings(expected: int, settings: bytes) -> bool:
        if others:
            assert whole(expected, others.pop())
        return whole(expected, settings)

    monkeypatch.setattr(here.store, "put_settings", put_settings)
    found = here.operations.set_limits({"base_limit": 3}, ADA)
    assert (found["base_limit"], found["window_seconds"]) == (3, 7)


def test_who_is_never_first_is_told_so(here: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def put_settings(expected: int, settings: bytes) -> bool:
        tries.append(expected)
        return False

    monkeypatch.setattr(here.store, "put_settings", put_settings)
    with pytest.raises(StoreError, match="others change the settings") as caught:
        here.operations.set_limits({"base_limit": 3}, ADA)
    assert (caught.value.kind, len(tries)) == ("response", MAX_TRIES)
    assert here.operations.limits()["base_limit"] == 10
    assert here.audited() == []


def test_stored_settings_that_are_damaged_are_as_none_and_can_be_replaced(here: Worker) -> None:
    here.store.put_settings(0, b"\xff{")
    assert here.operations.limits()["base_limit"] == 10
    here.operations.set_limits({"base_limit": 3}, ADA)
    assert here.admitted(5) == 3


# Mode


@pytest.mark.parametrize(
    ("mode", "outcomes"),
    [
        ("enforce", ["limited"] * 2),
        ("shadow", ["shadow_limited"] * 2),
        ("off", ["allowed"] * 2),
    ],
)
def test_a_changed_mode_holds_for_the_next_request(
    site: Site, mode: str, outcomes: list[str]
) -> None:
    here = site.worker(mode="shadow" if mode == "enforce" else "enforce")
    here.admitted(3)
    here.flag()
    here.operations.set_mode(mode, ADA)
    assert [here.ask().outcome for _ in range(2)] == outcomes


def test_a_change_of_mode_is_told_and_audited(here: Worker) -> None:
    assert here.operations.set_mode("shadow", ADA) == {"mode": "shadow", "before": "enforce"}
    assert here.operations.mode() == "shadow"
    [entry] = here.audited()
    assert (entry["who"], entry["action"]) == (ADA, "mode")
    assert (entry["before"], entry["after"]) == ({"mode": "enforce"}, {"mode": "shadow"})


def test_mode_and_limits_are_changed_apart(here: Worker) -> None:
    here.operations.set_limits({"base_limit": 3}, ADA)
    here.operations.set_mode("shadow", ADA)
    here.operations.set_limits({"base_limit": None}, ADA)
    found = here.operations.limits()
    assert (found["mode"], found["base_limit"]) == ("shadow", 10)


def test_a_mode_that_is_not_known_changes_nothing(here: Worker) -> None:
    with pytest.raises(ConfigurationError, match=r"mode is 'on': give one of enforce, shadow, off"):
        here.operations.set_mode("on", ADA)
    assert here.operations.mode() == "enforce"
    assert here.audited() == []


# Overrides


def override(worker: Worker, kind: str, client: str = "c", **given: Any) -> dict[str, Any]:
    amount = 2 if kind == "limit" else 0
    values = {"amount": amount, "seconds": 600.0, "reason": "", "who": ADA, **given}
    return worker.operations.set_override(client, kind, **values)


@pytest.mark.parametrize(("kind", "admitted"), [("allow", 12), ("block", 0), ("limit", 2)])
def test_an_override_decides_until_it_ends(
    site: Site, here: Worker, kind: str, admitted: int
) -> None:
    override(here, kind)
    assert here.admitted(12) == admitted
    site.clock.advance(600)
    assert here.admitted(12) == 10


@pytest.mark.parametrize(("kind", "amount"), [("allow", 0), ("limit", 11)])
def test_an_override_lets_in_who_was_just_refused(here: Worker, kind: str, amount: int) -> None:
    here.admitted(12)
    override(here, kind, amount=amount)
    assert here.ask().admitted


def test_an_override_holds_over_a_verdict(here: Worker) -> None:
    here.ask()
    here.flag()
    override(here, "limit", amount=8)
    assert here.ask().limit == 8


def test_a_blocked_client_is_told_when_to_come_back(site: Site, here: Worker) -> None:
    override(here, "block", seconds=90)
    decision = here.ask()
    assert decision.outcome == "blocked"
    assert decision.retry_after == pytest.approx(90, abs=1e-5)


def test_an_override_holds_in_every_worker(site: Site, here: Worker) -> None:
    there = site.worker()
    assert there.admitted(12) == 10
    override(here, "allow")
    there.limiter.refresh()
    assert there.admitted(5) == 5
    override(here, "block")
    assert there.admitted(5) == 0


def test_an_override_outlives_the_reset_of_its_client(here: Worker) -> None:
    here.ask()
    override(here, "block")
    assert here.operations.reset("c", ADA)
    assert here.admitted(3) == 0


def test_an_override_of_nobody_known_is_shown(site: Site, here: Worker) -> None:
    override(here, "block", "new")
    found = here.operations.client("new")
    assert found is not None
    assert found["override"] == {"kind": "block", "until": site.clock() + 600, "amount": 0}
    assert (found["requests"], found["last_seen"]) == (0, 0.0)


def test_an_override_that_ended_is_one_no_more(site: Site, here: Worker) -> None:
    override(here, "block", seconds=60)
    here.ask()
    site.clock.advance(60)
    found = here.operations.client("c")
    assert found is not None
    assert found["override"] is None
    assert not here.operations.clear_override("c", ADA)
    override(here, "allow")
    assert here.audited()[0]["before"] is None


def test_an_override_is_audited_with_its_reason(site: Site, here: Worker) -> None:
    override(here, "block")
    given = override(here, "limit", amount=7, seconds=90, reason="Too keen.", who="bob")
    until = site.clock() + 90
    assert given == {
        **{"client": "c", "kind": "limit", "amount": 7, "until": until},
        "reason": "Too keen.",
    }
    entry = here.audited()[0]
    assert (entry["who"], entry["action"], entry["target"]) == ("bob", "override", "c")
    assert entry["before"] == {"kind": "block", "until": site.clock() + 600, "amount": 0}
    assert (entry["after"], entry["reason"]) == (given, "Too keen.")


def test_a_cleared_override_decides_no_more(site: Site, here: Worker) -> None:
    override(here, "block")
    assert here.admitted(2) == 0
    assert here.operations.clear_override("c", ADA)
    assert here.admitted(2) == 2
    entry = here.audited()[0]
    assert (entry["who"], entry["action"], entry["target"]) == (ADA, "clear_override", "c")
    assert entry["before"] == {"kind": "block", "until": site.clock() + 600, "amount": 0}


def test_where_there_is_no_override_none_is_cleared(here: Worker) -> None:
    here.ask("known")
    assert not here.operations.clear_override("known", ADA)
    assert not here.operations.clear_override("unknown", ADA)
    assert here.audited() == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kind": "deny"}, "kind is 'deny'"),
        ({"amount": 5}, "amount is 5"),
        ({"kind": "limit", "amount": 0}, "amount is 0"),
        ({"seconds": 0}, "seconds is 0"),
        ({"seconds": -1}, "seconds is -1"),
        ({"seconds": math.nan}, "seconds is nan"),
        ({"seconds": math.inf}, "seconds is inf"),
        ({"seconds": MAX_SECONDS + 1}, "seconds is"),
        ({"reason": "x" * (MAX_REASON + 1)}, "reason is too long"),
    ],
)
def test_an_override_that_is_not_allowed_changes_nothing(
    here: Worker, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        override(here, **{"kind": "block", **given})
    assert here.operations.client("c") is None
    assert here.audited() == []


# Feedback


def feedback_of(worker: Worker, client: str = "c") -> str | None:
    found = worker.operations.client(client)
    assert found is not None
    verdict: str | None = found["feedback"]
    return verdict


def test_feedback_stays_with_the_profile(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    assert feedback_of(here) is None
    assert here.operations.feedback("c", "good", ADA)
    here.ask()
    here.limiter.flush()
    assert feedback_of(here) == "good"
    assert here.operations.feedback("c", "abuse", ADA)
    assert feedback_of(here) == "abuse"


def test_feedback_is_audited(here: Worker) -> None:
    here.ask()
    here.operations.feedback("c", "abuse", ADA)
    [entry] = here.audited()
    assert (entry["who"], entry["action"], entry["target"]) == (ADA, "feedback", "c")
    assert entry["after"] == {"verdict": "abuse"}


def test_feedback_goes_with_the_client(here: Worker) -> None:
    here.ask()
    here.operations.feedback("c", "good", ADA)
    here.operations.reset("c", ADA)
    here.ask()
    assert feedback_of(here) is None


@pytest.mark.parametrize(("verdict", "feedback"), [("good", GOOD), ("abuse", ABUSE)])
def test_a_verdict_is_in_the_rows_that_are_learned_from(
    here: Worker, verdict: str, feedback: int
) -> None:
    here.ask()
    here.operations.feedback("c", verdict, ADA)
    here.admitted(7)
    here.limiter.flush()
    assert unpack_rows(here.store.rows())["feedback"].tolist() == [feedback]


def test_abuse_is_learned_from_while_it_is_held_down(site: Site, here: Worker) -> None:
    for client in ("abuser", "other"):
        here.ask(client)
        here.flag(client)
    here.operations.feedback("abuser", "abuse", ADA)
    for client in ("abuser", "other"):
        here.admitted(7, client)
    here.limiter.flush()
    assert unpack_rows(here.store.rows())["client"].tolist() == [client_hash("abuser")]


def test_feedback_on_nobody_known_is_none(here: Worker) -> None:
    assert not here.operations.feedback("nobody", "good", ADA)
    assert here.operations.client("nobody") is None
    assert here.audited() == []


@pytest.mark.parametrize("verdict", ["", "bad", "GOOD"])
def test_a_verdict_that_is_not_known_changes_nothing(here: Worker, verdict: str) -> None:
    here.ask()
    with pytest.raises(ConfigurationError, match=f"verdict is '{verdict}': give good or abuse"):
        here.operations.feedback("c", verdict, ADA)
    assert feedback_of(here) is None
    assert here.audited() == []


# Forgetting


def test_a_client_that_is_reset_is_as_new(here: Worker) -> None:
    here.admitted(12)
    here.limiter.flush()
    here.flag()
    assert here.operations.reset("c", ADA)
    assert here.admitted(12) == 10


def test_a_client_that_is_reset_is_not_known(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    assert here.operations.reset("c", ADA)
    assert here.operations.client("c") is None


def test_a_client_that_is_reset_is_in_no_ranking(site: Site, here: Worker, trained: Model) -> None:
    here.publish(trained)
    here.limiter.refresh()
    attack(site, here)
    assert {order: here.store.ranked(order, 0, 9)[1] for order in ORDERS} == dict.fromkeys(
        ORDERS, 1
    )
    here.operations.reset("mallory", ADA)
    assert {order: here.store.ranked(order, 0, 9)[1] for order in ORDERS} == dict.fromkeys(
        ORDERS, 0
    )


def test_a_reset_holds_in_every_worker_that_looks_for_news(site: Site, here: Worker) -> None:
    there = site.worker()
    there.admitted(12)
    here.operations.reset("c", ADA)
    there.limiter.refresh()
    assert there.admitted(12) == 10


def test_a_reset_is_audited_with_whether_the_client_was_known(here: Worker) -> None:
    here.ask()
    assert here.operations.reset("c", ADA)
    assert not here.operations.reset("c", "bob")
    second, first = here.audited()
    assert (first["who"], first["action"], first["target"]) == (ADA, "reset", "c")
    assert (first["before"], second["before"]) == ({"known": True}, {"known": False})


# Clients


def listed(worker: Worker, **given: Any) -> tuple[list[str], int]:
    entries, total = worker.operations.clients(**given)
    return [entry["client"] for entry in entries], total


def test_clients_are_listed_by_how_active_they_are(here: Worker) -> None:
    for client, count in (("low", 1), ("high", 9), ("middle", 5)):
        here.admitted(count, client)
    here.limiter.flush()
    assert listed(here) == (["high", "middle", "low"], 3)


def test_clients_are_listed_by_how_often_they_were_refused(here: Worker) -> None:
    for client, count in (("never", 5), ("often", 19), ("seldom", 12)):
        here.admitted(count, client)
    here.limiter.flush()
    assert listed(here, order="refused") == (["often", "seldom"], 2)


def test_clients_are_listed_by_their_scores(site: Site, here: Worker, trained: Model) -> None:
    here.publish(trained)
    here.limiter.refresh()
    for n in range(30):
        if n % 5 == 0:
            here.ask("person-1", "/a", n % 20)
        attack(site, here, seconds=1)
    entries, _ = here.operations.clients(order="anomalous")
    assert entries[0]["client"] == "mallory"
    scores = [entry["score"] for entry in entries]
    assert scores == sorted(scores)


def test_clients_come_in_pages(here: Worker) -> None:
    for n in range(5):
        here.admitted(n + 1, f"c{n}")
    here.limiter.flush()
    assert listed(here, offset=0, limit=2) == (["c4", "c3"], 5)
    assert listed(here, offset=4, limit=2) == (["c0"], 5)
    assert listed(here, offset=5, limit=2) == ([], 5)


def test_clients_at_a_step_are_listed_alone_and_counted(here: Worker) -> None:
    for n in range(5):
        here.admitted(n + 1, f"c{n}")
    here.limiter.flush()
    for client in ("c0", "c2", "c3"):
        here.flag(client)
    assert listed(here, step=1, limit=2) == (["c3", "c2"], 3)
    assert listed(here, step=1, offset=2) == (["c0"], 3)
    assert listed(here, step=0) == (["c4", "c1"], 2)


def test_who_was_forgotten_meanwhile_is_neither_listed_nor_counted(here: Worker) -> None:
    for client in ("a", "b"):
        here.ask(client)
    here.limiter.flush()
    here.store.forget("a", 3600)
    assert listed(here) == (["b"], 1)
    assert here.store.ranked("active", 0, 9) == (["b"], 1)


@pytest.mark.parametrize("order", ["", "name", "ACTIVE"])
def test_an_order_that_is_not_known_is_refused(here: Worker, order: str) -> None:
    with pytest.raises(ConfigurationError, match=f"order is '{order}': give one of active"):
        here.operations.clients(order=order)


def test_a_listed_client_is_told_in_figures(site: Site, here: Worker) -> None:
    here.admitted(20)
    here.limiter.flush()
    here.flag(score=-0.75)
    [entry], _ = here.operations.clients()
    assert entry == {
        "client": "c",
        "step": 1,
        "factor": 0.3,
        "limit": 3,
        "score": -0.75,
        "is_anomalous": True,
        "last_seen": site.clock(),
        "requests_per_minute": 20.0,
        "refused_share": 0.5,
    }


# One client


def test_nobody_is_known_who_was_never_here(here: Worker) -> None:
    assert here.operations.client("nobody") is None


def test_a_client_is_told_with_what_it_did(site: Site, here: Worker) -> None:
    began = site.clock()
    for n in range(4):
        here.ask(path=n, status=404 if n else 200)
        site.clock.advance(2)
    here.limiter.flush()
    found = here.operations.client("c")
    assert found is not None
    assert (found["client"], found["requests"], found["step"], found["limit"]) == ("c", 4, 0, 10)
    assert (found["first_seen"], found["last_seen"]) == (began, began + 6)
    assert (found["override"], found["feedback"]) == (None, None)
    assert tuple(found["features"]) == FEATURE_NAMES
    assert found["features"]["missing_share"] == pytest.approx(0.75, abs=0.01)
    assert found["features"]["interval_mean"] == pytest.approx(math.log1p(2), abs=0.01)


def test_without_a_model_there_is_no_why(here: Worker) -> None:
    here.admitted(20)
    here.limiter.flush()
    found = here.operations.client("c")
    assert found is not None
    assert found["why"] == []


def test_why_names_what_the_client_does_that_is_not_usual(site: Site, trained: Model) -> None:
    here = site.worker(base_limit=1000)
    here.publish(trained)
    here.limiter.refresh()
    attack(site, here)
    found = here.operations.client("mallory")
    assert found is not None
    assert found["is_anomalous"]
    usual = trained.site["usual"]

    def mended(name: str) -> float:
        """How much better the client scores with one feature as usual."""
        rows = np.array([list((found or {})["features"].values())] * 2, dtype=np.float32)
        rows[1, FEATURE_NAMES.index(name)] = usual[name][0]
        before, after = trained.score(rows)
        return float(after - before)

    most = sorted(FEATURE_NAMES, key=mended, reverse=True)[:5]
    told = {reason["feature"]: reason for reason in found["why"]}
    assert list(told) == most
    for name, reason in told.items():
        assert reason["effect"] == pytest.approx(mended(name), abs=1e-3)
        assert reason["value"] == pytest.approx(found["features"][name], abs=1e-4)
        assert [reason["median"], reason["high"]] == pytest.approx(usual[name], abs=1e-4)
    missing = told["missing_share"]
    assert missing["median"] < missing["high"] < missing["value"]
    assert missing["sentence"] == (
        f"gets 404 for {missing['value'] * 100:.0f} % of its requests; "
        f"usual is {missing['median'] * 100:.2g} %, for 95 % at most {missing['high'] * 100:.0f} %"
    )


@pytest.mark.parametrize("name", ["2001:db8::/64", "a b", "客户", "{}", "x" * 500, "\ud800", ""])
def test_a_client_may_be_called_anything(here: Worker, name: str) -> None:
    key = canonical(name)
    here.ask(key)
    here.limiter.flush()
    found = here.operations.client(name)
    assert found is not None
    assert found["client"] == key
    assert override(here, "allow", name)["client"] == key
    assert here.operations.clear_override(name, ADA)
    assert here.operations.feedback(name, "good", ADA)
    assert here.operations.reset(name, ADA)
    assert {entry["target"] for entry in here.audited()} == {key}


# Models


def test_at_first_there_is_no_model(here: Worker) -> None:
    assert here.operations.models() == []
    found = here.operations.model_info()
    assert (found["trained"], found["version"], found["trained_at"]) == (False, 0, None)
    assert (found["versions"], found["gate"], found["last_training"]) == ([], {}, None)


def test_a_training_is_told_and_audited(here: Worker) -> None:
    training = here.operations.train(ADA)
    assert (training.result, training.reason[:19]) == ("refused", "0 requests observed")
    [entry] = here.audited()
    assert (entry["who"], entry["action"], entry["after"]) == (ADA, "train", {"result": "refused"})
    last = here.operations.model_info()["last_training"]
    assert (last["result"], last["reason"]) == ("refused", training.reason)


def test_a_training_learns_from_what_waits_for_the_flush(here: Worker) -> None:
    for n in range(10):
        here.admitted(9, f"c{n}")
    training = here.operations.train(ADA)
    assert (training.result, training.version, training.clients) == ("accepted", 1, 10)
    found = here.operations.model_info()
    assert (found["trained"], found["version"], found["rows"], found["clients"]) == (
        *(True, 1),
        *(10, 10),
    )
    assert (found["versions"], found["last_training"]["result"]) == ([1], "accepted")
    assert here.audited()[0]["target"] == "1"


def test_kept_models_are_listed_newest_first(here: Worker, trained: Model) -> None:
    here.publish(trained, 1)
    here.store.publish(1, 2, b"damaged")
    here.publish(trained, 3)
    found = here.operations.models()
    assert [(m["version"], m["readable"], m["in_force"]) for m in found] == [
        (3, True, True),
        (2, False, False),
        (1, True, False),
    ]
    assert (found[0]["rows"], found[0]["clients"]) == (trained.rows, trained.clients)


def test_an_earlier_model_is_put_in_force_in_every_worker(
    site: Site, here: Worker, trained: Model
) -> None:
    there = site.worker()
    here.publish(trained, 1)
    here.publish(trained, 2)
    there.limiter.refresh()
    assert there.limiter.trainer.model.version == 2
    found = here.operations.activate(1, ADA)
    assert found is not None
    assert (found["version"], found["in_force"]) == (1, True)
    assert here.limiter.trainer.model.version == 1
    there.limiter.refresh()
    assert there.limiter.trainer.model.version == 1
    assert [m["version"] for m in here.operations.models() if m["in_force"]] == [1]


def test_a_rollback_is_audited(here: Worker, trained: Model) -> None:
    here.publish(trained, 1)
    here.publish(trained, 2)
    here.operations.activate(1, ADA)
    [entry] = here.audited()
    assert (entry["who"], entry["action"], entry["target"]) == (ADA, "activate_model", "1")
    assert (entry["before"], entry["after"]) == ({"version": 2}, {"version": 1})


@pytest.mark.parametrize("version", [0, 2, -1])
def test_a_model_that_is_not_kept_is_not_put_in_force(
    here: Worker, trained: Model, version: int
) -> None:
    here.publish(trained, 1)
    assert here.operations.activate(version, ADA) is None
    assert here.store.model_version() == 1
    assert here.audited() == []


def test_a_model_that_was_dropped_meanwhile_is_not_put_in_force(
    here: Worker, trained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.publish(trained, 1)
    here.publish(trained, 2)
    monkeypatch.setattr(here.store, "activate", lambda version: False)
    assert here.operations.activate(1, ADA) is None
    assert here.audited() == []


@pytest.mark.parametrize("damage", ["cut off", "flipped", "empty", "foreign", "misnamed"])
def test_a_model_that_workers_would_refuse_is_not_put_in_force(
    here: Worker, trained: Model, damage: str
) -> None:
    blob = dump(dataclasses.replace(trained, version=1))
    damaged = {
        "cut off": blob[:-9],
        "flipped": blob[:-9] + bytes([blob[-9] ^ 1]) + blob[-8:],
        "empty": b"",
        "foreign": dump(dataclasses.replace(trained, version=1, schema="another")),
        "misnamed": dump(dataclasses.replace(trained, version=7)),
    }[damage]
    here.store.publish(0, 1, damaged)
    here.publish(trained, 2)
    here.limiter.refresh()
    with pytest.raises(ModelError, match="model 1 can't be read"):
        here.operations.activate(1, ADA)
    assert [m["readable"] for m in here.operations.models()] == [True, False]
    assert here.store.model_version() == here.limiter.trainer.model.version == 2
    assert here.audited() == []


# Audit log


def test_changes_are_told_newest_first_and_in_pages(site: Site, here: Worker) -> None:
    for mode in ("shadow", "off", "enforce"):
        here.operations.set_mode(mode, ADA)
        site.clock.advance(1)
    entries, _ = here.operations.audit(offset=0, limit=2)
    assert [entry["after"]["mode"] for entry in entries] == ["enforce", "off"]
    assert [site.clock() - entry["at"] for entry in entries] == [1.0, 2.0]
    entries, total = here.operations.audit(offset=2, limit=2)
    assert ([entry["after"]["mode"] for entry in entries], total) == (["shadow"], 3)


def test_asking_is_not_audited(here: Worker) -> None:
    here.ask()
    here.limiter.flush()
    for ask in (
        here.operations.stats,
        here.operations.limits,
        here.operations.mode,
        here.operations.clients,
        here.operations.models,
        here.operations.model_info,
        lambda: here.operations.client("c"),
    ):
        ask()
    assert here.audited() == []


# Without the store

ALL: dict[str, Callable[[Operations], object]] = {
    "stats": lambda o: o.stats(),
    "limits": lambda o: o.limits(),
    "client": lambda o: o.client("c"),
    "clients": lambda o: o.clients(),
    "clients at a step": lambda o: o.clients(step=1),
    "reset": lambda o: o.reset("c", ADA),
    "train": lambda o: o.train(ADA),
    "model_info": lambda o: o.model_info(),
    "models": lambda o: o.models(),
    "activate": lambda o: o.activate(1, ADA),
    "set_override": lambda o: o.set_override(
        "c", "block", amount=0, seconds=60, reason="", who=ADA
    ),
    "clear_override": lambda o: o.clear_override("c", ADA),
    "feedback": lambda o: o.feedback("c", "good", ADA),
    "mode": lambda o: o.mode(),
    "set_mode": lambda o: o.set_mode("off", ADA),
    "set_limits": lambda o: o.set_limits({"base_limit": 5}, ADA),
    "audit": lambda o: o.audit(),
}


@pytest.fixture
def without_store(clock: Clock) -> Operations:
    """The operator's side of a limiter whose store doesn't answer."""
    store = MemoryStore(clock=clock)

    def fail(*_: object, **__: object) -> object:
        raise StoreError("out", kind="timeout")

    limiter = Limiter(Options(background=False), store)
    for name in dir(store):
        if not name.startswith("_") and name not in ("local", "close"):
            setattr(store, name, fail)
    return Operations(limiter)


@pytest.mark.parametrize("name", ALL)
def test_without_the_store_every_operation_says_so(without_store: Operations, name: str) -> None:
    with pytest.raises(StoreError, match="out") as caught:
        ALL[name](without_store)
    assert caught.value.kind == "timeout"


def test_every_operation_is_tried_without_the_store() -> None:
    public = {name for name in vars(Operations) if not name.startswith("_")}
    assert public == {name.partition(" ")[0] for name in ALL}
