"""The limiters of tenants: one thread, one poll and one training at a time for all of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import pack_rows
from flask_irl.config.options import Options
from flask_irl.config.tenants import tenant_options
from flask_irl.errors import TrainingRefused
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.rounds import ACTIVE_SECONDS, IDLE_AT_ONCE
from flask_irl.limiter.tenants import Tenants
from flask_irl.limiter.webhooks import WEBHOOKS
from flask_irl.operations import Operations
from flask_irl.stores.base import Store
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.events import TrainingEnded
from flask_irl.training.fit import fit_here
from tests.address_file import GERMAN, system, write
from tests.conftest import Clock
from tests.recorder import Recorder

CLIENT = "192.0.2.1"


class Fleet:
    """Hold an app's limiter with those of its tenants."""

    def __init__(self, tenants: dict[str, dict[str, Any]], **options: Any) -> None:
        self.clock = Clock()
        self.ticks = Clock(0.0)
        given = {"background": False, "learning_minutes": 0.0, "min_clients": 1, **options}
        self.options = Options(tenants=tenants, detector="isolation_forest", **given)
        self.store = MemoryStore(clock=self.clock)
        self.first = Limiter(
            self.options, self.store, fit=fit_here, listener=Recorder(), monotonic=self.ticks
        )
        self.tenants = Tenants(self.first, tenant_options(self.options), self.ticks)
        self.rounds = self.tenants.rounds

    def limiter(self, tenant: str) -> Limiter:
        return self.tenants.choose(tenant)

    def ask(self, tenant: str, client: str = CLIENT) -> None:
        limiter = self.limiter(tenant)
        decision = limiter.decide(limiter.plan(()), (client,))
        limiter.observe(decision, route="/", path=0, method="GET", status=200, size=0)

    def teach(self, tenant: str, clients: int = 30, each: int = 4) -> None:
        """Give a tenant rows of clients to learn from."""
        names = [f"{tenant}{i}" for i in range(clients) for _ in range(each)]
        features = np.random.default_rng(1).exponential(size=(len(names), len(FEATURE_NAMES)))
        at = np.full(len(names), self.clock())
        rows = pack_rows(names, np.full(len(names), 5), at, features.astype(np.float32))
        store = self.limiter(tenant).store
        store.add_rows(rows, 20_000)
        store.add_counts({"requests": 5 * len(names), "rows": len(names), "route:/": 1})


@pytest.fixture
def fleet() -> Iterator[Any]:
    made: list[Fleet] = []

    def make(tenants: dict[str, dict[str, Any]] | None = None, **options: Any) -> Fleet:
        made.append(Fleet({"a": {}, "b": {}} if tenants is None else tenants, **options))
        return made[-1]

    yield make
    for each in made:
        each.first.close()


def test_one_thread_works_for_all_tenants(fleet: Any) -> None:
    before = {thread.name for thread in threading.enumerate()}
    running = fleet({f"t{i}": {} for i in range(50)}, background=True)
    for name in running.tenants.all():
        running.ask(name)
    started = [t for t in threading.enumerate() if t.name == "irl-start" or "irl-jobs" in t.name]
    assert len(started) <= 3
    assert "irl-jobs" in before or len([t for t in started if t.name == "irl-jobs"]) <= 1
    assert running.limiter("t7").worker.running


def test_a_flush_is_for_those_that_had_requests(fleet: Any, monkeypatch: Any) -> None:
    made = fleet()
    flushed: list[str] = []
    for name in ("a", "b"):
        worker: Any = made.limiter(name).worker
        jobs = worker.jobs._replace(flush=lambda name=name: flushed.append(name))
        monkeypatch.setattr(worker, "jobs", jobs)
    made.ask("b")
    made.rounds.flush()
    assert flushed == ["b"]
    made.limiter("b").buffer.clear()
    made.ticks.advance(ACTIVE_SECONDS - 1)
    made.rounds.flush()
    made.ticks.advance(2)
    made.rounds.flush()
    assert flushed == ["b", "b"]


def test_who_has_least_to_merge_is_flushed_first(fleet: Any, monkeypatch: Any) -> None:
    made = fleet()
    order: list[str] = []
    for name in ("a", "b"):
        worker: Any = made.limiter(name).worker
        jobs = worker.jobs._replace(flush=lambda name=name: order.append(name))
        monkeypatch.setattr(worker, "jobs", jobs)
    for _ in range(20):
        made.ask("a")
    made.ask("b")
    made.rounds.flush()
    assert order == ["b", "a"]


def test_what_is_learned_of_a_client_stays_in_its_tenant(fleet: Any) -> None:
    made = fleet()
    for _ in range(6):
        made.ask("a")
    made.rounds.flush()
    assert [made.limiter(x).store.counts().get("requests") for x in "ab"] == [6, None]
    assert made.store.counts() == {}
    assert made.limiter("b").store.load([CLIENT]) == [None]
    assert made.store.load([CLIENT]) == [None]


def test_a_flush_that_fails_in_one_tenant_is_made_in_the_others(
    fleet: Any, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    made = fleet()
    worker: Any = made.limiter("a").worker

    def fails() -> None:
        raise ValueError("of another world")

    monkeypatch.setattr(worker, "jobs", worker.jobs._replace(flush=fails))
    made.ask("a")
    made.ask("b")
    made.ask("b")
    made.rounds.flush()
    assert made.limiter("b").store.counts()["requests"] == 2
    assert "limiter_error where=flush" in caplog.text
    assert "tenant=a" in caplog.text


class Counting:
    """Count the polls of a store, and the stores that each asks about."""

    def __init__(self, store: Store) -> None:
        self.asked: list[int] = []
        self._ask = store.revisions_of

    def __call__(self, stores: Any) -> Any:
        self.asked.append(len(stores))
        return self._ask(stores)


def test_one_round_trip_asks_for_all_and_of_idle_ones_for_so_many(
    fleet: Any, monkeypatch: Any
) -> None:
    made = fleet({f"t{i}": {} for i in range(2 * IDLE_AT_ONCE + 5)})
    counting = Counting(made.store)
    monkeypatch.setattr(made.store, "revisions_of", counting)
    for _ in range(4):
        made.rounds.refresh()
    assert counting.asked == [1 + IDLE_AT_ONCE, 1 + IDLE_AT_ONCE, 1 + 5, 1 + IDLE_AT_ONCE]


def test_a_change_comes_to_a_tenant_that_had_no_request_yet(fleet: Any) -> None:
    made = fleet()
    elsewhere = Limiter(
        made.limiter("a").options, made.limiter("a").store, fit=fit_here, monotonic=made.ticks
    )
    Operations(elsewhere).site.set_limits({"base_limit": 7}, "ann")
    Operations(elsewhere).overrides.set(
        "192.0.2.0/24", "block", amount=0, seconds=60, reason="", who="ann"
    )
    made.rounds.refresh()
    assert [made.limiter(x).options.base_limit for x in "ab"] == [7, 100]
    assert [len(made.limiter(x).access.networks) for x in "ab"] == [1, 0]
    # What it doesn't need for its first request isn't loaded.
    assert not made.limiter("a").has_learned
    elsewhere.close()


def test_tenants_share_the_file_of_countries_and_count_by_themselves(
    fleet: Any, tmp_path: Path
) -> None:
    made = fleet(country_file=str(write(tmp_path / "countries.mmdb")))
    one, other = made.limiter("a"), made.limiter("b")
    assert one.countries is other.countries is made.limiter("default").countries is not None
    made.ask("a", "203.0.113.7")
    made.ask("b", "198.51.100.1")
    one.flush()
    other.flush()
    ranked = [Operations(x).analytics.read()["countries"] for x in (one, other)]
    assert [[country["name"] for country in found] for found in ranked] == [["DE"], ["FR"]]


def test_tenants_share_the_file_of_autonomous_systems(fleet: Any, tmp_path: Path) -> None:
    made = fleet(asn_file=str(write(tmp_path / "systems.mmdb", {GERMAN: system(64500)})))
    one, other = made.limiter("a"), made.limiter("b")
    assert one.system_of is other.system_of is made.limiter("default").system_of is not None
    assert one.system_of("203.0.113.7") == "AS64500"


def test_trainings_come_one_at_a_time_and_who_waited_longest_is_first(
    fleet: Any, monkeypatch: Any
) -> None:
    made = fleet({"a": {}, "b": {}, "c": {}})
    turns: list[str] = []
    running: set[str] = set()
    for name in ("", "a", "b", "c"):
        limiter = made.limiter(name or "default")
        worker: Any = limiter.worker

        def train(name: str = name) -> None:
            turns.append(name)
            running.add(name)

        monkeypatch.setattr(worker, "jobs", worker.jobs._replace(train=train))
        monkeypatch.setattr(
            type(limiter), "is_training", property(lambda self: self.tenant in running)
        )
        if not name:
            made.rounds._first.jobs = worker.jobs
        made.ask(name or "default")
    made.rounds.flush()
    made.rounds.train()
    assert len(turns) == 1
    for _ in range(5):
        made.ticks.advance(2)
        running.clear()
        made.rounds.refresh()
    assert sorted(turns) == ["", "a", "b", "c"]
    running.clear()
    for name in ("a", "c"):
        made.ask(name)
    made.rounds.flush()
    made.rounds.train()
    made.ticks.advance(2)
    running.clear()
    made.rounds.refresh()
    first_round = turns[:4]
    again = [name for name in first_round if name in ("", "a", "c")]
    assert turns[4:6] == again[:2]


def test_a_tenant_with_few_rows_uses_a_model_that_it_shares_and_says_so(fleet: Any) -> None:
    made = fleet({"a": {}, "b": {}, "large": {}, "alone": {"shared_model": False}})
    for name in ("a", "b", "alone"):
        made.teach(name)
    made.teach("large", clients=130)
    with pytest.raises(TrainingRefused, match="this tenant has 120 of 500 rows"):
        made.limiter("a").start_training()
    assert made.limiter("large").train().result == "accepted"
    assert made.limiter("a").trainer.model.version == 0
    training = made.tenants.shared.trainer.train()
    assert (training.result, training.rows, training.clients) == ("accepted", 240, 60)
    assert {made.limiter(x).trainer.model.version for x in "ab"} == {1}
    # It is of other tenants, too: its numbers are none of theirs.
    shown = Operations(made.limiter("a")).models.describe()
    assert (shown["version"], shown["trained"], shown["rows"], shown["clients"]) == (1, True, 0, 0)
    assert shown["shared"] == "shared model: this tenant has 120 of 500 rows"
    assert shown["versions"] == []
    assert Operations(made.limiter("b")).status.read()["model_shared"] is not None
    assert Operations(made.limiter("large")).models.describe()["shared"] is None
    alone = made.limiter("alone")
    assert alone.trainer.model.version == 0
    assert Operations(alone).models.describe()["shared"] is None
    assert alone.train().result == "accepted"


def test_an_operators_process_knows_the_shared_model_without_a_request(fleet: Any) -> None:
    made = fleet()
    for name in ("a", "b"):
        made.teach(name)
    assert made.limiter("a").trainer.model.version == 0
    assert made.tenants.shared.trainer.train().result == "accepted"
    first = Limiter(made.options, made.store, fit=fit_here, monotonic=made.ticks)
    elsewhere = Tenants(first, tenant_options(made.options), made.ticks)
    shown = Operations(elsewhere.choose("a")).models.describe()
    assert (shown["version"], shown["shared"]) == (
        1,
        "shared model: this tenant has 120 of 500 rows",
    )
    assert Operations(elsewhere.choose("b")).status.read()["model_version"] == 1
    first.close()


def test_only_models_are_in_the_part_of_the_store_that_is_shared(fleet: Any) -> None:
    made = fleet()
    for name in ("a", "b"):
        made.teach(name)
        made.ask(name)
    assert made.limiter("a").trainer.model.version == 0
    assert made.tenants.shared.trainer.train().result == "accepted"
    shared = made.tenants.shared.store
    assert list(shared.clients()) == [[]] or list(shared.clients()) == []
    assert shared.row_count() == 0
    assert shared.audit(0, 10) == ([], 0)
    assert shared.model_versions() == [1]


def test_a_trainer_trains_for_tenants_whose_requests_others_have(fleet: Any) -> None:
    made = fleet(undeclared_tenants="own")
    made.store.admit_tenant("late", 10)
    made.tenants.train_all()
    made.rounds.train()
    assert {*made.tenants.all()} == {"a", "b", "late"}


def test_a_closed_app_saves_what_all_tenants_have_seen(fleet: Any) -> None:
    made = fleet()
    made.ask("a")
    made.ask("b")
    made.ask("default")
    made.first.close()
    stores = [made.limiter(name).store for name in ("a", "b", "default")]
    assert [store.counts()["requests"] for store in stores] == [1, 1, 1]


def test_two_thousand_tenants_cost_nothing_until_they_have_requests(fleet: Any) -> None:
    made = fleet({f"t{i}": {} for i in range(2000)})
    made.rounds.flush()
    made.rounds.refresh()
    made.rounds.train()
    assert not any(limiter.has_learned for limiter in made.tenants.all().values())


def test_the_apps_webhooks_tell_of_a_tenants_training(fleet: Any) -> None:
    made = fleet(webhooks=("http://127.0.0.1:9/",), webhook_secret="a secret of some length")
    # Another worker delivers: what this one tells stays in the queue.
    assert made.store.take_lease(WEBHOOKS, "another", 60.0)
    tenant = made.limiter("a")
    assert tenant.webhooks is None
    tenant.learning.trainer._notify(TrainingEnded("rejected", 0.1))
    made.first.webhooks.tell()
    [news] = made.store.take_news(WEBHOOKS, 10)
    assert json.loads(news)["data"] == {"result": "rejected", "tenant": "a"}
