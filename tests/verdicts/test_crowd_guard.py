"""Test the crowd guard's memory, and the number of flagged clients in the events."""

from __future__ import annotations

import numpy as np

from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA
from flask_irl.model.model import Model
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.verdicts.crowd_guard import WINDOW_SECONDS, CrowdGuard
from flask_irl.verdicts.ladder import ladder_of
from flask_irl.verdicts.profiler import Profiler
from flask_irl.verdicts.rules import Rules
from tests.recorder import Recorder

START = 1_700_000_000.0
FLAGGED = np.array([True, True, False])
CLIENTS = ("a", "b", "c")


def test_flagged_clients_are_forgotten_two_windows_after_they_were_seen() -> None:
    guard = CrowdGuard()
    guard.admit(CLIENTS, FLAGGED, START)
    guard.forget(START + WINDOW_SECONDS)
    assert guard.flagged == 2
    guard.forget(START + 2 * WINDOW_SECONDS)
    assert guard.flagged == 0


def test_forgetting_again_within_a_window_changes_nothing() -> None:
    guard = CrowdGuard()
    guard.admit(CLIENTS, FLAGGED, START)
    for second in range(10):
        guard.forget(START + second)
    assert guard.flagged == 2


def test_the_number_of_flagged_clients_falls_to_zero_when_all_requests_end() -> None:
    moment = [START]
    recorder, guard = Recorder(), CrowdGuard()
    profiler = Profiler(
        MemoryStore(clock=lambda: moment[0]),
        ladder=ladder_of((0.3,), 60.0, -0.5),
        model=lambda: Model.untrained(SCHEMA, FEATURE_NAMES),
        notify=recorder.notify,
        ttl_seconds=3600,
        rows_capacity=100,
        rules=Rules(),
        guard=guard,
    )
    guard.admit(CLIENTS, FLAGGED, START)
    profiler.flush()
    assert recorder.flagged == 2
    for _ in range(3):
        moment[0] += WINDOW_SECONDS
        profiler.flush()
    assert recorder.flagged == 0
