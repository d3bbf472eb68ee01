"""Test fitting in this process and in a child process."""

from __future__ import annotations

import dataclasses
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.errors import LibraryMissing, TrainingRefused
from flask_irl.model.container import pack
from flask_irl.model.detectors import Detector, NullDetector
from flask_irl.training import fit
from flask_irl.training.fit import (
    ChildFit,
    child_command,
    child_environment,
    fit_here,
    fit_in_child,
)
from flask_irl.training.forests import fit_isolation_forest
from flask_irl.training.training_set import TrainingSet
from tests.redis_server import wait_until

ROWS = np.random.default_rng(1).lognormal(size=(300, 4))
TRAINING_SET = TrainingSet("isolation_forest", ROWS, 5)
SETTINGS: dict[str, Any] = {"trees": 10, "max_samples": 64, "seed": 5}
PATIENCE = 30.0
PACKAGE_PARENT = Path(fit.__file__).parents[2]


class Recorder(subprocess.Popen[bytes]):
    """Remember the processes that were started, and their options."""

    started: list[tuple[Recorder, dict[str, Any]]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started.append((self, kwargs))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Recorder, dict[str, Any]]]:
    Recorder.started = []
    monkeypatch.setattr(subprocess, "Popen", Recorder)
    return Recorder.started


def running(code: str) -> Callable[[float], list[str]]:
    """Make the command of a child that runs ``code`` instead of a training."""
    return lambda timeout: [sys.executable, "-c", code]


def fake_scikit_learn(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put a package ``sklearn`` that runs ``code`` before the real one, in children only."""
    (folder / "sklearn").mkdir()
    (folder / "sklearn" / "__init__.py").write_text(code)
    monkeypatch.syspath_prepend(folder)


def features(count: int = 120) -> NDArray[np.float64]:
    return np.abs(np.random.default_rng(2).normal(size=(count, len(FEATURE_NAMES))))


def training_set_of(kind: str) -> TrainingSet:
    rows = features()
    return TrainingSet(kind, rows, 5, np.arange(120) < 90, rows[:5] + 30.0, {"/": 0.75, "/b": 0.25})


# A training in a child takes seconds.
@pytest.fixture(scope="module")
def trained() -> tuple[Detector, dict[str, Any]]:
    """Train in a child of a process with secrets; give the options of the child, too."""
    with pytest.MonkeyPatch.context() as patch:
        Recorder.started = []
        patch.setattr(subprocess, "Popen", Recorder)
        patch.setenv("IRL_ADMIN_TOKEN", "secret")
        patch.setenv("REDIS_URL", "redis://:secret@example")
        patch.setenv("PYTHONWARNINGS", "error")
        detector = fit_in_child(training_set_of("blend"))
    [(_, options)] = Recorder.started
    return detector, options


@pytest.mark.parametrize("kind", ["isolation_forest", "random_forest", "blend"])
def test_the_child_fits_the_same_detector_of_any_kind(
    kind: str, trained: tuple[Detector, dict[str, Any]]
) -> None:
    training_set = training_set_of(kind)
    there = trained[0] if kind == "blend" else fit_in_child(training_set)
    assert there.kind == kind
    assert pack({}, fit_here(training_set).to_arrays()) == pack({}, there.to_arrays())


def test_a_training_set_is_read_back_as_it_was_written() -> None:
    rows = features()
    written = TrainingSet("blend", rows, 2**32 - 1, np.arange(120) < 9, rows[:3], {"/": 1.0})
    read = TrainingSet.from_bytes(written.to_bytes())
    assert (read.kind, read.seed, read.routes) == (written.kind, written.seed, written.routes)
    for name in ("rows", "normal", "attacks"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), strict=True)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"rows": np.zeros(4)}, "n_features"),
        ({"rows": np.zeros((3, 0))}, "n_features"),
        ({"rows": np.zeros((2, 2, 2))}, "n_features"),
        ({"normal": np.ones(2, dtype=bool)}, "normal"),
        ({"attacks": np.zeros((2, 5))}, "attacks"),
    ],
)
def test_a_wrong_training_set_is_refused_by_name(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        dataclasses.replace(TRAINING_SET, **wrong)


def test_odd_numbers_do_not_disturb_training() -> None:
    rows = ROWS.copy()
    rows[:4] = [[np.nan] * 4, [np.inf] * 4, [-np.inf] * 4, [1e300] * 4]
    assert np.isfinite(fit_isolation_forest(rows, **SETTINGS).score(rows)).all()


def test_the_rows_are_not_modified() -> None:
    rows = ROWS.copy()
    rows[0] = np.nan
    before = rows.tobytes()
    fit_isolation_forest(rows, **SETTINGS)
    assert rows.tobytes() == before


def test_training_does_not_touch_the_global_random_state() -> None:
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    fit_isolation_forest(ROWS, **SETTINGS)
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], before)


@pytest.mark.parametrize("train", [fit_here, fit_in_child])
@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_are_refused(train: Any, count: int) -> None:
    with pytest.raises(TrainingRefused, match=f"at least 2 rows, not {count}"):
        train(TrainingSet("isolation_forest", ROWS[:count], 5))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"trees": 0}, "n_estimators"),
        ({"max_samples": 1}, "max_samples"),
        ({"seed": -1}, "random_state"),
        ({"seed": 2**32}, "random_state"),
    ],
)
def test_wrong_settings_of_a_forest_are_refused_by_name(wrong: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        fit_isolation_forest(ROWS, **{**SETTINGS, **wrong})


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan"), float("inf")])
def test_a_wrong_timeout_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        fit_in_child(TRAINING_SET, timeout=timeout)


def test_missing_scikit_learn_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(LibraryMissing, match=r'pip install "flask-irl\[train\]"'):
        fit_isolation_forest(ROWS, **SETTINGS)


def test_missing_scikit_learn_in_the_child_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_scikit_learn(
        tmp_path, monkeypatch, "raise ModuleNotFoundError('No module', name='sklearn')"
    )
    with pytest.raises(LibraryMissing) as caught:
        fit_in_child(TRAINING_SET)
    assert str(caught.value) == (
        'training needs scikit-learn, which is not installed: pip install "flask-irl[train]"'
    )


def test_a_library_that_does_not_load_in_the_child_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_scikit_learn(tmp_path, monkeypatch, "raise ImportError('libgomp.so.1:\\n no such file')")
    with pytest.raises(LibraryMissing, match=r"can't be imported \(libgomp.so.1: no such file\)"):
        fit_in_child(TRAINING_SET)


def test_a_refusal_of_the_child_is_told_as_it_is() -> None:
    few = TrainingSet("isolation_forest", TRAINING_SET.rows[:1], seed=1)
    with pytest.raises(
        TrainingRefused, match=r"^an Isolation Forest needs at least 2 rows, not 1$"
    ):
        fit_in_child(few)


def test_what_libraries_print_does_not_spoil_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_scikit_learn(
        tmp_path,
        monkeypatch,
        "import os, sys\n"
        "print('hello'); sys.stdout.flush(); os.write(1, b'hello')\n"
        "raise ImportError('enough')",
    )
    with pytest.raises(TrainingRefused, match="enough"):
        fit_in_child(TRAINING_SET)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('boom')", r"exit status 1\): RuntimeError: boom"),
        ("import os; os._exit(7)", r"exit status 7\): it said nothing"),
        ("import os; os.kill(os.getpid(), 9)", r"killed by SIGKILL\)"),
        ("", r"no usable answer: not a flask_irl container"),
        ("print('hello')", r"no usable answer: not a flask_irl container: it starts with b'hell'"),
        ("import sys; sys.stdin.read(3)", r"no usable answer"),
    ],
)
def test_a_child_that_fails_is_refused_with_the_reason(code: str, reason: str) -> None:
    with pytest.raises(TrainingRefused, match=reason):
        fit_in_child(TRAINING_SET, command=running(code))


def test_the_answer_must_be_a_forest() -> None:
    answer = pack({}, NullDetector(4).to_arrays())
    code = f"import sys; sys.stdout.buffer.write({answer!r})"
    with pytest.raises(TrainingRefused, match="no usable answer: a detector of kind"):
        fit_in_child(TRAINING_SET, command=running(code))


def test_the_answer_must_fit_the_request(tmp_path: Path) -> None:
    other = tmp_path / "answer"
    other.write_bytes(pack({}, fit_isolation_forest(ROWS[:, :2], **SETTINGS).to_arrays()))
    code = (
        f"import sys, pathlib; sys.stdout.buffer.write(pathlib.Path({str(other)!r}).read_bytes())"
    )
    with pytest.raises(TrainingRefused, match="a detector of 2 features instead of 4"):
        fit_in_child(TRAINING_SET, command=running(code))


def test_a_child_that_hangs_is_killed_and_reaped(
    started: list[tuple[Recorder, dict[str, Any]]],
) -> None:
    code = "import signal; signal.pause()"
    with pytest.raises(TrainingRefused, match=r"more than 0\.3 seconds"):
        fit_in_child(TRAINING_SET, timeout=0.3, command=running(code))
    [(process, _)] = started
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def test_an_interpreter_that_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(TrainingRefused, match="could not be started"):
        fit_in_child(TRAINING_SET)


@pytest.mark.parametrize("executable", ["/usr/bin/uwsgi", "", None])
def test_a_server_that_embeds_python_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, executable: str | None
) -> None:
    fake_scikit_learn(tmp_path, monkeypatch, "raise ImportError('Python has run')")
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(TrainingRefused, match="Python has run"):
        fit_in_child(TRAINING_SET)


def test_the_child_gets_no_secrets_and_one_thread(
    trained: tuple[Detector, dict[str, Any]],
) -> None:
    options = trained[1]
    assert "secret" not in str(options["env"])
    assert "PYTHONWARNINGS" not in options["env"]
    assert options["env"]["OMP_NUM_THREADS"] == "1"
    assert options["start_new_session"]
    assert options["close_fds"]


def test_the_child_has_low_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_scikit_learn(
        tmp_path,
        monkeypatch,
        "import os\nraise ImportError(f'nice {os.nice(0)}, sid {os.getsid(0)}')",
    )
    with pytest.raises(TrainingRefused, match=f"nice {min(os.nice(0) + 10, 19)}, ") as caught:
        fit_in_child(TRAINING_SET)
    assert f"sid {os.getsid(0)}" not in str(caught.value)


@pytest.mark.parametrize(
    "request_bytes", [b"", b"garbage", pack({}, {}), pack({"kind": 1}, {"rows": ROWS})]
)
def test_the_child_refuses_a_wrong_request(request_bytes: bytes) -> None:
    done = subprocess.run(
        child_command(60.0), input=request_bytes, capture_output=True, env=child_environment()
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert len(done.stderr.splitlines()) == 1


def test_a_child_whose_parent_is_gone_ends_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed_pipe:
        done = subprocess.run(
            child_command(60.0),
            input=TRAINING_SET.to_bytes(),
            stdout=closed_pipe,
            stderr=subprocess.PIPE,
            env=child_environment(),
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_child_that_gets_no_request_ends_itself() -> None:
    read, write = os.pipe()
    try:
        done = subprocess.run(
            child_command(0.001),
            stdin=read,
            capture_output=True,
            env=child_environment(),
            timeout=60,
        )
    finally:
        os.close(read)
        os.close(write)
    assert done.returncode == -signal.SIGALRM


ORPHAN = """
import os
import subprocess
from flask_irl.training.fit import child_command, child_environment

subprocess.Popen(child_command(600.0), env=child_environment())
os._exit(0)
"""


def test_a_child_whose_parent_dies_while_it_starts_ends_soon() -> None:
    # Nobody ever sends it a training set; it has the other end of what it writes until it ends.
    request, nothing = os.pipe()
    read, write = os.pipe()
    with os.fdopen(read) as written:
        subprocess.run(
            [sys.executable, "-c", ORPHAN], stdin=request, stdout=write, stderr=write, check=True
        )
        os.close(write)
        ready, _, _ = select.select([written], [], [], PATIENCE)
        assert ready and written.read() == ""
    os.close(request)
    os.close(nothing)


def test_a_fit_that_is_ended_kills_its_child_and_starts_no_other(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[tuple[Recorder, dict[str, Any]]],
) -> None:
    said = tmp_path / "said"
    code = f"open({str(said)!r}, 'w').close()\nimport signal\nsignal.pause()"
    fake_scikit_learn(tmp_path, monkeypatch, code)
    child_fit = ChildFit()
    refusals: list[str] = []

    def refused() -> None:
        with pytest.raises(TrainingRefused) as caught:
            child_fit(TRAINING_SET)
        refusals.append(str(caught.value))

    thread = threading.Thread(target=refused)
    thread.start()
    wait_until(said.exists, "a child that trains", PATIENCE)
    child_fit.end()
    thread.join(PATIENCE)
    refused()
    assert refusals == ["this process is about to end"] * 2
    assert {process.returncode for process, _ in started} == {-signal.SIGKILL}
    child_fit.after_fork()
    with pytest.raises(TrainingRefused, match="could not be started"):
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        child_fit(TRAINING_SET)


@pytest.mark.slow
def test_a_child_can_be_started_from_anywhere_and_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    code = f"""
import sys
sys.path.insert(0, {str(PACKAGE_PARENT)!r})
sys.path.remove("")
import numpy as np
from flask_irl.training.fit import fit_in_child
from flask_irl.training.training_set import TrainingSet
from tests.redis_server import wait_until
rows = np.random.default_rng(1).normal(size=(50, 3))
fit_in_child(TrainingSet("isolation_forest", rows, 1)).score(rows)
print(sorted({{"sklearn", "scipy", "pandas", "matplotlib", "joblib"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
