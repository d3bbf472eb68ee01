"""Test the site's description on one screen, with each kind of store."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from flask_irl.errors import StoreError
from flask_irl.limiter.presence import TELL_SECONDS, Presence
from flask_irl.model.model import Model
from flask_irl.operations.status import Status
from flask_irl.stores.location import locate
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.redis.store import RedisStore
from tests.conftest import Clock
from tests.operations.worker import ADA, Site, Worker, break_store, override
from tests.recorder import Recorder
from tests.servers import RedisServer

MINUTE = 60.0
HOUR = 3600.0


@pytest.fixture
def clock() -> Clock:
    """Begin half-way through a minute."""
    return Clock(1_700_000_010.0)


def ask(worker: Worker, count: int, client: str = "c") -> None:
    for _ in range(count):
        worker.ask(client)
    worker.limiter.flush()


# Traffic


def test_a_new_site_has_no_traffic_and_nothing_out_of_the_ordinary(here: Worker) -> None:
    found = here.operations.status.read()
    assert found["now"] == {
        **{"requests_per_second": 0.0, "refused_per_second": 0.0, "refused_share": 0.0}
    }
    assert (found["hour_ago"], found["rollback"], found["last_training"]) == (None, None, None)
    assert found["clients"] == {
        **{"flagged": 0, "blocked": 0, "overridden": {"allow": 0, "block": 0, "limit": 0}}
    }
    assert (found["changed"], found["crowd_guard"], found["breaker"]) == ({}, False, "closed")
    assert (found["model_version"], found["learning"]) == (0, "learning")
    assert found["workers"] == {"seen": 0, "names": []}


def test_traffic_is_that_of_the_last_sixty_seconds(site: Site, here: Worker) -> None:
    ask(here, 20)
    site.clock.advance(MINUTE)
    ask(here, 13, "d")
    # Half of the twenty are in the last sixty seconds, as if they had come evenly.
    assert here.operations.status.read()["now"] == {
        "requests_per_second": round((13 + 10) / 60, 3),
        "refused_per_second": round((3 + 5) / 60, 3),
        "refused_share": round((3 + 5) / (13 + 10), 4),
    }


def test_traffic_is_compared_with_the_same_seconds_an_hour_ago(site: Site, here: Worker) -> None:
    site.clock.advance(-MINUTE)
    ask(here, 4)
    site.clock.advance(MINUTE)
    ask(here, 8, "d")
    site.clock.advance(HOUR)
    found = here.operations.status.read()
    assert found["now"] is not None
    assert found["now"]["requests_per_second"] == 0.0
    assert found["hour_ago"] == {
        **{"requests_per_second": round((2 + 4) / 60, 3), "refused_per_second": 0.0},
        "refused_share": 0.0,
    }


def test_an_hour_of_which_nothing_was_counted_is_none(site: Site, here: Worker) -> None:
    ask(here, 4)
    site.clock.advance(HOUR - 2 * MINUTE)
    assert here.operations.status.read()["hour_ago"] is None


def test_traffic_is_that_of_all_workers(site: Site, here: Worker) -> None:
    ask(here, 4)
    ask(site.worker(), 5)
    found = here.operations.status.read()
    assert found["now"] is not None
    assert found["now"]["requests_per_second"] == round(9 / 60, 3)
    assert (found["total_requests"], found["refused"]) == (9, 0)


# Clients


def test_clients_are_counted_by_what_holds_for_them(here: Worker) -> None:
    for client in ("held", "shut", "allowed", "blocked", "limited", "normal"):
        ask(here, 1, client)
    here.store.rank("flagged", {"held": 1.0, "shut": 2.0, "allowed": 3.0})
    for client, step in (("held", 1), ("shut", 3), ("allowed", 3)):
        here.flag(client, step=step)
    for kind, client in (("allow", "allowed"), ("block", "blocked"), ("limit", "limited")):
        override(here, kind, client)
    assert here.operations.status.read()["clients"] == {
        **{"flagged": 3, "blocked": 2, "overridden": {"allow": 1, "block": 1, "limit": 1}}
    }


# Settings, models


def test_to_count_clients_asks_for_nobodys_name(here: Worker) -> None:
    asked: list[str] = []
    here.limiter.label_of = asked.append
    here.ask("held")
    here.flag("held")
    here.store.rank("flagged", {"held": 1.0})
    override(here, "block", "c")
    assert here.operations.status.read()["clients"]["flagged"] == 1  # type: ignore[index]
    assert asked == []


def test_settings_changed_at_run_time_are_told_beside_the_configured_ones(here: Worker) -> None:
    here.operations.site.set_mode("shadow", ADA)
    here.operations.site.set_limits({"base_limit": 7}, ADA)
    found = here.operations.status.read()
    assert (found["mode"], found["base_limit"]) == ("shadow", "7 per 60 seconds")
    assert found["changed"] == {
        "mode": {"configured": "enforce", "in_force": "shadow"},
        "base_limit": {"configured": 10, "in_force": 7},
    }
    here.operations.site.set_limits({"base_limit": None}, ADA)
    here.operations.site.set_mode("enforce", ADA)
    assert here.operations.status.read()["changed"] == {}


def test_the_model_in_force_has_an_age(site: Site, here: Worker, trained: Model) -> None:
    here.publish(dataclasses.replace(trained, trained_at=site.clock() - 90))
    found = here.operations.status.read()
    assert (found["model_version"], found["model_age_seconds"]) == (1, 90.0)
    assert (found["model_advisory"], found["learning"]) == (trained.advisory, "active")


def test_a_rollback_is_told_until_it_is_taken_back(here: Worker, trained: Model) -> None:
    for version in (1, 2):
        here.publish(trained, version)
    here.operations.models.rollback(1, ADA)
    assert here.operations.status.read()["rollback"] == {"version": 1, "newest": 2, "until": None}
    here.operations.models.unpin(ADA)
    assert here.operations.status.read()["rollback"] is None


def test_the_number_of_rows_is_told_without_loading_them(
    here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows() -> list[bytes]:
        raise AssertionError("all rows were loaded")

    ask(here, 7, "a")
    ask(here, 8, "b")
    monkeypatch.setattr(here.store, "rows", rows)
    assert here.operations.status.read()["training_rows"] == 2


# Trainings of all workers


def test_the_latest_training_of_any_worker_is_told(site: Site, here: Worker) -> None:
    trainer = site.worker()
    trainer.limiter.train()
    found = here.operations.status.read()["last_training"]
    assert found is not None
    assert (found["result"], found["at"]) == ("refused", site.clock())
    assert "at least 50 are needed" in found["reason"]


NOTE = {
    **{"result": "accepted", "reason": "", "version": 7, "rows": 9, "clients": 5, "requests": 80},
    **{"seconds": 1.5, "at": 1_700_000_000.0},
}


def test_what_a_later_version_notes_of_a_training_besides_is_left_out(here: Worker) -> None:
    here.store.put_note("training", json.dumps({**NOTE, "news": [1]}).encode())
    assert here.operations.status.read()["last_training"] == NOTE


@pytest.mark.parametrize(
    "note",
    [
        *(b"", b"x", b"[]", b"5", b"[" * 100_000),
        json.dumps({**NOTE, "at": "now"}).encode(),
        json.dumps({**NOTE, "at": float("nan")}).encode(),
        json.dumps({**NOTE, "result": 5}).encode(),
        json.dumps({"result": "accepted"}).encode(),
    ],
    ids=lambda note: ascii(note[:30]),
)
def test_a_note_of_a_training_that_is_damaged_is_none(here: Worker, note: bytes) -> None:
    here.store.put_note("training", note)
    assert here.operations.status.read()["last_training"] is None


def test_a_training_whose_result_can_not_be_noted_is_reported_and_goes_on(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(MemoryStore):
        def put_note(self, name: str, note: bytes) -> None:
            raise StoreError("full", kind="response")

    listener = Recorder()
    worker = Worker(Full(clock=clock), {})
    worker.limiter.trainer._notify = listener.notify
    assert worker.limiter.train().result == "refused"
    assert "training_not_noted kind=response" in caplog.text
    assert listener.store_errors == ["response"]


# Workers


def test_workers_that_tell_of_themselves_are_seen_for_half_a_minute(
    site: Site, here: Worker
) -> None:
    here.limiter.worker.jobs.tell()
    found = here.operations.status.read()["workers"]
    assert found is not None
    assert found["seen"] == 1
    [name] = found["names"]
    assert name.rpartition(":")[2].isdigit()
    site.clock.advance(31)
    assert here.operations.status.read()["workers"] == {"seen": 0, "names": []}


def test_a_worker_tells_of_itself_now_and_then(clock: Clock) -> None:
    reports: list[str] = []

    class Store(MemoryStore):
        def tell_worker(self, worker: str, report: bytes) -> None:
            reports.append(worker)

    presence = Presence(Store(), dict, clock)
    for _ in range(11):
        presence.tell()
        clock.advance(TELL_SECONDS / 5)
    assert len(reports) == 3


def test_a_crowd_guard_that_is_on_in_any_worker_is_told(here: Worker) -> None:
    here.store.tell_worker("web-1:7", b'{"crowd_guard": false}')
    assert here.operations.status.read()["crowd_guard"] is False
    here.store.tell_worker("web-2:7", b'{"crowd_guard": true}')
    assert here.operations.status.read()["crowd_guard"] is True


@pytest.mark.parametrize("report", [b"", b"x", b"[]", b'{"crowd_guard": 1}', b"[" * 100_000])
def test_a_report_that_nobody_understands_is_of_a_worker_all_the_same(
    here: Worker, report: bytes
) -> None:
    here.store.tell_worker("web-1:7", report)
    found = here.operations.status.read()
    assert (found["workers"], found["crowd_guard"]) == ({"seen": 1, "names": ["web-1:7"]}, False)


# The store


@pytest.fixture
def limited() -> Iterator[RedisServer]:
    """Run a server with a limit of its memory."""
    with RedisServer(config={"maxmemory": "50mb"}) as server:
        yield server


def test_the_store_is_told_with_what_it_tells(limited: RedisServer) -> None:
    worker = Worker(RedisStore(locate(limited.url), timeout=5), {})
    found = worker.operations.status.read()["store"]
    assert (found["kind"], found["address"]) == ("redis", f"{limited.url.rstrip(chr(47))}")
    assert (found["answers"], found["counts_requests"], found["error"]) == (True, True, None)
    assert found["milliseconds"] is not None
    assert found["milliseconds"] > 0
    assert (found["memory_limit_bytes"], found["policy"]) == (50 * 1024 * 1024, "noeviction")
    worker.limiter.close()


def test_a_store_that_does_not_answer_is_told_with_what_is_known_without_it(
    clock: Clock, trained: Model
) -> None:
    worker = Worker(MemoryStore(clock=clock), {})
    worker.publish(trained, 4)
    worker.limiter.refresh()
    break_store(worker.store, StoreError("out", kind="timeout"))
    found: dict[str, Any] = dict(worker.operations.status.read())
    assert found.keys() == Status.__annotations__.keys()
    assert (found["store"]["answers"], found["store"]["error"]) == (False, "out")
    assert found["store"]["counts_requests"] is False
    assert (found["mode"], found["base_limit"]) == ("enforce", "10 per 60 seconds")
    assert (found["model_version"], found["learning"]) == (4, "active")
    assert (found["now"], found["clients"], found["workers"]) == (None, None, None)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), "the server is full"),
        (("REPLICAOF", "127.0.0.1", "1"), "read-only replica"),
    ],
    ids=["full", "replica"],
)
def test_a_store_that_answers_and_yet_counts_nothing_is_told_with_all_the_rest(
    limited: RedisServer, command: tuple[str, ...], reason: str
) -> None:
    worker = Worker(RedisStore(locate(limited.url), timeout=5), {})
    ask(worker, 4)
    with limited.client() as client:
        client.execute_command(*command)
    found = worker.operations.status.read()
    assert (found["store"]["answers"], found["store"]["counts_requests"]) == (True, False)
    assert found["store"]["error"] is not None
    assert reason in found["store"]["error"]
    assert (found["total_requests"], found["breaker"]) == (4, "closed")
    with limited.client() as client:
        client.execute_command("REPLICAOF", "NO", "ONE")
    worker.limiter.close()


def test_a_store_that_is_too_far_away_for_requests_is_not_said_to_refuse(here: Worker) -> None:
    def hit(*_: object) -> None:
        raise StoreError("no answer within 50 ms", kind="timeout")

    vars(here.store)["hit"] = hit
    found = here.operations.status.read()["store"]
    assert (found["answers"], found["counts_requests"], found["error"]) == (True, True, None)


def test_plans_that_were_changed_are_told_as_texts(clock: Clock) -> None:
    worker = Worker(MemoryStore(clock=clock), {"plans": {"pro": "600/minute"}})
    worker.operations.plans.change({"plans": {"pro": "5/minute"}}, ADA)
    changed = worker.operations.status.read()["changed"]
    assert changed is not None
    assert json.loads(json.dumps(changed["plans"])) == changed["plans"]
