"""Test that the tests run in two stages, and their exit code."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_ignore_collect
from tests.stages import main, run_pytest

OK, FAILED, NONE = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


class FakePytest:
    """Take the arguments of each run, and give the next exit code."""

    def __init__(self, *codes: int) -> None:
        self.runs: list[Sequence[str]] = []
        self._codes = iter(codes)

    def __call__(self, arguments: Sequence[str]) -> int:
        self.runs.append(arguments)
        return next(self._codes)


def test_the_slow_tests_run_after_the_quick_ones_and_both_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = FakePytest(OK, OK)
    assert main([], run) == OK
    assert [arguments[arguments.index("-m") + 1] for arguments in run.runs] == ["not slow", "slow"]
    output = capsys.readouterr().out
    assert "Stage 1 of 2: the quick tests" in output
    assert "Stage 2 of 2: the slow tests" in output


def test_arguments_are_handed_on_after_those_set_here() -> None:
    run = FakePytest(OK, OK)
    main(["-n0", "-k", "limits or config"], run)
    assert [arguments[-3:] for arguments in run.runs] == [("-n0", "-k", "limits or config")] * 2


@pytest.mark.parametrize(
    ("codes", "result"),
    [((OK, NONE), OK), ((NONE, OK), OK), ((NONE, NONE), NONE), ((OK, FAILED), FAILED)],
)
def test_a_stage_without_tests_is_passed_over_but_not_both(
    codes: tuple[int, int], result: int
) -> None:
    run = FakePytest(*codes)
    assert main([], run) == result
    assert len(run.runs) == 2


@pytest.mark.parametrize("code", [FAILED, pytest.ExitCode.INTERRUPTED, -9])
def test_the_slow_tests_do_not_run_after_a_failure(code: int) -> None:
    run = FakePytest(code)
    assert main([], run) == code
    assert len(run.runs) == 1


@pytest.mark.parametrize(
    ("marks", "text", "passed_over"),
    [
        ("slow", "def test_quick(): ...", True),
        ("slow", "pytestmark = pytest.mark.slow", None),
        ("not slow", "def test_quick(): ...", None),
        ("", "def test_quick(): ...", None),
    ],
)
def test_the_slow_stage_imports_files_with_slow_tests_alone(
    tmp_path: Path, marks: str, text: str, passed_over: bool | None
) -> None:
    (tmp_path / "test_some.py").write_text(text)
    config: Any = SimpleNamespace(option=SimpleNamespace(markexpr=marks))
    assert pytest_ignore_collect(tmp_path / "test_some.py", config) is passed_over


def test_bytecode_is_kept_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def run(command: Sequence[str], **options: Any) -> Any:
        given.update(options)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("tests.stages.subprocess.run", run)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("KEPT", "1")
    assert run_pytest(["-n0"]) == 0
    assert given["env"].get("KEPT") == "1"
    assert "PYTHONDONTWRITEBYTECODE" not in given["env"]
