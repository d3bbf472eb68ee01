"""Test fitting in a child process that lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.errors import LibraryMissing, TrainingRefused
from flask_irl.model.container import pack
from flask_irl.model.detectors import BlendDetector, Detector, NullDetector
from flask_irl.training.fit import fit_here
from flask_irl.training.fit_aside import FitAside
from flask_irl.training.forests import blend
from flask_irl.training.training_set import TrainingSet

KINDS = ("isolation_forest", "random_forest", "blend")


def training_set_of(kind: str) -> TrainingSet:
    rows = np.abs(np.random.default_rng(2).normal(size=(120, len(FEATURE_NAMES))))
    # In no order of theirs, since attackers draw routes by their places.
    routes = {"/b": 0.25, "/": 0.5, "/a": 0.25}
    return TrainingSet(kind, rows, 5, np.arange(120) < 90, rows[:5] + 30.0, routes)


def contents(detector: Detector) -> bytes:
    return pack({}, detector.to_arrays())


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """List the processes that are started."""
    found: list[subprocess.Popen[bytes]] = []

    class Recorder(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            found.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorder)
    return found


@pytest.fixture
def fit() -> Iterator[FitAside]:
    with closing(FitAside()) as fit:
        yield fit


def test_training_after_training_gives_the_same_detectors_as_here(
    fit: FitAside, children: list[subprocess.Popen[bytes]]
) -> None:
    fit.start()
    for kind in KINDS:
        training_set = training_set_of(kind)
        there = fit(training_set)
        assert there.kind == kind
        assert contents(there) == contents(fit_here(training_set))
        # Refused alone: the next training finds no answer of this one.
        with pytest.raises(TrainingRefused, match="at least 2 rows"):
            fit(TrainingSet("blend", np.ones((1, len(FEATURE_NAMES))), 5))
        later = replace(training_set, seed=6, before=there, share=0.1)
        assert contents(fit(later)) == contents(fit_here(later))
    with pytest.raises(TrainingRefused, match=r"failed.*kind must be one of"):
        fit(training_set_of("null"))
    assert len(children) == 1
    fit.close()
    assert [child.returncode for child in children] == [-signal.SIGKILL]


def test_a_child_that_dies_is_told_of_and_replaced(
    fit: FitAside, children: list[subprocess.Popen[bytes]]
) -> None:
    training_set = training_set_of("isolation_forest")
    fit.start()
    os.kill(children[0].pid, signal.SIGKILL)
    children[0].wait()
    with pytest.raises(TrainingRefused, match="killed by SIGKILL"):
        fit(training_set)
    assert contents(fit(training_set)) == contents(fit_here(training_set))


def test_a_child_that_fails_by_itself_says_why(
    fit: FitAside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sklearn.py").write_text("raise RuntimeError('no such day')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TrainingRefused, match=r"exit status 1.*no such day"):
        fit(training_set_of("isolation_forest"))


def test_without_the_library_each_training_is_refused(
    fit: FitAside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError(name='sklearn')")
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        with pytest.raises(LibraryMissing, match="is not installed"):
            fit(training_set_of("blend"))


def test_a_process_that_cannot_be_started_is_a_refusal(
    fit: FitAside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(TrainingRefused, match="could not be started"):
        fit(training_set_of("blend"))
    fit.close()


def test_without_a_place_for_files_each_training_is_a_refusal(
    fit: FitAside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "TemporaryFile", fails)
    fit.start()
    with pytest.raises(TrainingRefused, match="could not be started: no usable temporary"):
        fit(training_set_of("isolation_forest"))


def test_output_before_the_answers_is_no_answer(
    fit: FitAside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nine letters, read as an answer's length, are more bytes than there are anywhere.
    (tmp_path / "sitecustomize.py").write_text("import os; os.write(1, b'loaded by site')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TrainingRefused, match="no usable answer"):
        fit(training_set_of("isolation_forest"))


@pytest.mark.parametrize("place", [0, 1])
def test_a_blend_is_made_of_two_forests_alone(place: int) -> None:
    rows = training_set_of("blend").rows
    trained = fit_here(training_set_of("blend"))
    assert isinstance(trained, BlendDetector)
    halves: list[Detector] = [trained.unusual, trained.attack]
    halves[place] = NullDetector(rows.shape[1])
    with pytest.raises(ValueError, match="Forest is needed, not null"):
        blend(halves[0], halves[1], rows)
