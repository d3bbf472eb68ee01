"""Test the crowd guard: crowds, attackers that are none, memory, and the events of it."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA
from flask_irl.model.model import Model
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.verdicts.crowd_guard import LEAST_FLAGGED, WINDOW_SECONDS, CrowdGuard
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


def test_the_guard_turns_on_for_a_crowd_and_off_after_it(caplog: pytest.LogCaptureFixture) -> None:
    guard, now = CrowdGuard(), 1000.0
    names = [f"c{i}" for i in range(LEAST_FLAGGED * 2)]
    odd = np.array([i < LEAST_FLAGGED for i in range(len(names))])
    with caplog.at_level(logging.INFO, logger="flask_irl"):
        assert guard.admit(names, odd, now)
        assert guard.admit(names, odd, now + 1)
        assert guard.flagged == LEAST_FLAGGED
        later = now + 3 * WINDOW_SECONDS
        assert not guard.admit(names, np.zeros(len(names), dtype=bool), later)
    assert [r.message.split()[0] for r in caplog.records] == ["crowd_guard_on", "crowd_guard_off"]


@pytest.mark.parametrize(("flagged", "clients"), [(LEAST_FLAGGED - 1, 12), (LEAST_FLAGGED, 100)])
def test_a_few_attackers_are_no_crowd(flagged: int, clients: int) -> None:
    names = [f"c{i}" for i in range(clients)]
    odd = np.array([i < flagged for i in range(clients)])
    assert not CrowdGuard().admit(names, odd, 1000.0)


def test_attackers_that_came_one_by_one_and_stay_are_no_crowd() -> None:
    guard, names = CrowdGuard(), [f"c{i}" for i in range(LEAST_FLAGGED * 4)]
    held = np.zeros(len(names), dtype=bool)
    for second in range(0, 3600, 20):
        # One more every two minutes, until half of all clients are attackers.
        attackers = min(1 + second // 120, LEAST_FLAGGED * 2)
        flagged = np.arange(len(names)) < attackers
        assert not guard.admit(names, flagged, 1000.0 + second, held)
        held = flagged
    assert guard.flagged == LEAST_FLAGGED * 2


def test_a_crowd_that_nobody_holds_down_stays_one() -> None:
    guard, names = CrowdGuard(), [f"c{i}" for i in range(LEAST_FLAGGED * 2)]
    flagged, held = np.ones(len(names), dtype=bool), np.zeros(len(names), dtype=bool)
    for second in range(0, 3600, 20):
        assert guard.admit(names, flagged, 1000.0 + second, held)
