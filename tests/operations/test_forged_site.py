"""Forge values of the site in the store: no worker fails, and no operator's question either."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import GOOD, ROW, pack_rows
from flask_irl.errors import ModelError
from flask_irl.model.container import pack, unpack
from flask_irl.model.model import dump
from flask_irl.stores.state import Update
from flask_irl.telemetry.events import ErrorSwallowed, Event, StoreFailed, ValueDamaged
from flask_irl.verdicts.campaign_watch import WATCH_SECONDS
from tests.admin.api import Caller, make_app
from tests.admin.site import KNOWN, learn, make_worker, model
from tests.conftest import Clock
from tests.forged import NAMES, SOUND, put
from tests.hostile import DEEP, changed, damaged
from tests.operations.worker import Worker

PATHS = (
    "stats",
    "status",
    "limits",
    "mode",
    "model-info",
    "models",
    "campaigns",
    "audit",
    "clients",
    "clients?order=flagged",
    f"client/{KNOWN}",
)
CLOCK = Clock()


class Watch:
    """Hold the errors that the limiter kept from the app, and count damaged values by kind."""

    def __init__(self) -> None:
        self.errors: list[Event] = []
        self.damaged: Counter[str] = Counter()

    def notify(self, event: Event) -> None:
        if isinstance(event, ErrorSwallowed | StoreFailed):
            self.errors.append(event)
        if isinstance(event, ValueDamaged):
            self.damaged[event.kind] += event.values


def live(worker: Worker) -> None:
    """Let a worker take up what is in the store, serve, learn, and answer operators."""
    watch = Watch()
    failures = worker.limiter.failures
    failures._notify = watch.notify
    failures.guard("poll", worker.limiter.refresh)
    for number in range(3):
        worker.ask(KNOWN)
        worker.ask(f"198.51.100.{number}", "/login", number, 401, "POST")
    CLOCK.advance(WATCH_SECONDS)
    failures.guard("flush", worker.limiter.flush)
    ask = caller()
    for path in PATHS:
        response = ask("GET", f"/admin/{path}")
        assert response.status_code == 200, (path, response.get_data(as_text=True))
        json.loads(response.data, parse_constant=pytest.fail)
    assert watch.errors == []


@cache
def bench() -> Worker:
    return make_worker(CLOCK)


@cache
def caller() -> Caller:
    return Caller(make_app(bench().operations).test_client())


fuzzed = settings(max_examples=12, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", SOUND)
@fuzzed
@given(data=st.data())
def test_a_forged_value_of_the_site_fails_nobody(name: str, data: st.DataObject) -> None:
    worker = bench()
    put(worker.limiter, name, data.draw(damaged(SOUND[name])), data.draw(NAMES))
    live(worker)
    put(worker.limiter, name, SOUND[name])


def publish(worker: Worker, **members: Any) -> int:
    """Publish a model with other members, its checksum right; give its version."""
    version = max(worker.store.model_versions()) + 1
    meta, arrays = unpack(dump(replace(model(), version=version)))
    blob = pack({**meta, **members}, arrays)
    assert worker.store.publish(worker.store.model_version(), version, blob)
    return version


@fuzzed
@given(data=st.data())
def test_a_forged_model_fails_nobody(data: st.DataObject) -> None:
    worker = bench()
    meta, _ = unpack(dump(model()))
    name = data.draw(st.sampled_from(["site", "report", "calibration", "features", "trained_at"]))
    try:
        publish(worker, **{name: data.draw(changed(meta[name]))})
    except ModelError:
        # NaN can't even be written.
        reject()
    live(worker)
    worker.publish(model(), max(worker.store.model_versions()) + 1)


@pytest.mark.parametrize(
    "members",
    [
        {"site": {"routes": 5}},
        {"site": {"routes": {"/": "much"}}},
        {"site": {"hours": ["x"] * 24}},
        {"site": {"paces": {"/": 5.0}}},
        {"site": {"usual": {"burst": []}}},
        {"site": {"began": "once"}},
        {"report": {"gate": 5}},
        {"report": {"gate": {"flagged_share": "few"}}},
        {"report": {"rows_seen": "all"}},
        {"features": [f"f{n}" for n in range(len(FEATURE_NAMES))]},
    ],
    ids=str,
)
def test_a_model_with_forged_tables_is_refused_and_counted(members: dict[str, Any]) -> None:
    worker = make_worker()
    watch = Watch()
    worker.limiter.trainer.in_force._notify = watch.notify
    in_force = worker.limiter.trainer.model.version
    version = publish(worker, **members)
    worker.limiter.refresh()
    assert worker.limiter.trainer.model.version == in_force
    assert watch.damaged == Counter(model=1)
    newest = worker.operations.models.versions()[0]
    assert (newest["version"], newest["readable"]) == (version, False)


KINDS = {"view": "campaigns"}
"""Kinds of damage by the value's name, where that is another one."""


@pytest.mark.parametrize("value", [b"\xff", b"[" * DEEP, b"5"], ids=["binary", "deep", "5"])
@pytest.mark.parametrize("name", sorted(SOUND.keys() - {"worker"}))
def test_a_damaged_value_of_the_site_is_counted(name: str, value: bytes) -> None:
    watch, clock = Watch(), Clock()
    worker = make_worker(clock, listener=watch)
    put(worker.limiter, name, value)
    worker.limiter.refresh()
    clock.advance(WATCH_SECONDS)
    worker.ask("198.51.100.9", "/login", 1, 401, "POST")
    worker.limiter.flush()
    worker.operations.status.read()
    worker.operations.audit.entries()
    assert watch.damaged.keys() == {KINDS.get(name, name)}


def test_a_model_of_a_later_version_may_tell_more() -> None:
    worker = make_worker()
    report = {"gate": {"flagged_share": 0.01, "verdict": "fine"}, "more": [None]}
    version = publish(worker, site={"seasons": "four"}, report=report)
    worker.limiter.refresh()
    assert worker.limiter.trainer.model.version == version
    assert worker.operations.models.versions()[0]["flagged_share"] == 0.01


def test_a_worker_whose_report_is_damaged_is_counted_and_listed() -> None:
    watch = Watch()
    worker = make_worker(listener=watch)
    put(worker.limiter, "worker", b"{", "web1:7")
    found = worker.operations.status.read()["workers"]
    assert found == {"seen": 1, "names": ["web1:7"]}
    assert watch.damaged == Counter(worker=1)


def test_damaged_rows_are_counted() -> None:
    watch = Watch()
    worker = make_worker(listener=watch)
    [sound] = pack_rows(
        ["c"], np.array([5]), np.array([1.7e9]), np.zeros((1, len(FEATURE_NAMES)), np.float32)
    )
    broken = np.frombuffer(sound, dtype=ROW).copy()
    broken["features"][0, 3] = np.nan
    other_schema = b"\0" + sound[1:]
    worker.store.add_rows([sound, broken.tobytes(), sound[:-1], other_schema, b""], 100)
    learn(worker)
    worker.limiter.train()
    assert watch.damaged == Counter(rows=2)


def test_a_damaged_profile_is_counted_and_an_empty_one_is_not() -> None:
    watch = Watch()
    worker = make_worker(listener=watch)
    worker.ask("c")
    worker.limiter.flush()
    worker.limiter.profiler.label("d", GOOD)
    assert watch.damaged == Counter()
    for value in (sound_profile(worker)[:-1], sound_profile(worker)[:40]):
        [state] = worker.store.load(["c"])
        assert state is not None
        worker.store.save([Update("c", state.revision, 0, 0.0, value)], 3600)
        worker.ask("c")
        worker.ask("d")
        worker.limiter.flush()
    assert watch.damaged == Counter(profile=2)


def sound_profile(worker: Worker) -> bytes:
    """Give the profile of the client ``c``."""
    [state] = worker.store.load(["c"])
    assert state is not None
    return state.profile
