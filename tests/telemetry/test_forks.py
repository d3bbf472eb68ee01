"""Test that a process forked while a lock is held goes on with one of its own."""

from __future__ import annotations

import gc
import os
import sys

import pytest

from flask_irl.telemetry import forks
from flask_irl.telemetry.forks import renew_after_fork
from flask_irl.telemetry.log import Sampler
from tests.conftest import Clock
from tests.forks import held_by_a_thread, run_in_fork

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process")


class Holder:
    """Count how often it was renewed."""

    def __init__(self) -> None:
        self.renewals = 0
        renew_after_fork(self)

    def after_fork(self) -> None:
        self.renewals += 1


class Broken:
    """Fail when it is renewed."""

    def __init__(self) -> None:
        renew_after_fork(self)

    def after_fork(self) -> None:
        raise RuntimeError("no clock here")


def test_a_sampler_forked_while_it_is_held_still_samples(clock: Clock) -> None:
    sampler = Sampler(1.0, clock)
    with held_by_a_thread(sampler._lock):
        assert run_in_fork(sampler.passes) == "done"
    assert sampler.passes() == 0


def test_a_forked_sampler_begins_with_nothing_held_back(clock: Clock) -> None:
    sampler = Sampler(1.0, clock)
    assert [sampler.passes() for _ in range(3)] == [0, None, None]

    def check() -> None:
        assert sampler.passes() is None
        clock.advance(1.0)
        assert sampler.passes() == 1

    assert run_in_fork(check) == "done"
    clock.advance(1.0)
    assert sampler.passes() == 2


def test_a_holder_is_renewed_in_the_child_and_not_in_the_parent() -> None:
    holder = Holder()

    def check() -> None:
        assert holder.renewals == 1

    assert run_in_fork(check) == "done"
    assert holder.renewals == 0


def test_a_holder_that_fails_leaves_no_other_one_unrenewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holders = [Holder() for _ in range(3)]
    broken = [Broken() for _ in range(3)]
    errors: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: errors.append(args.exc_value))

    def check() -> None:
        assert [holder.renewals for holder in holders] == [1, 1, 1]
        assert [str(error) for error in errors] == ["no clock here"]

    assert run_in_fork(check) == "done"
    del broken


def test_a_holder_may_go() -> None:
    before = len(forks._HOLDERS)
    holder = Holder()
    assert len(forks._HOLDERS) == before + 1
    del holder
    gc.collect()
    assert len(forks._HOLDERS) <= before
