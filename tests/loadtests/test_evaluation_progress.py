"""Keep the results of an evaluation while it runs."""

from __future__ import annotations

from argparse import ArgumentTypeError
from functools import partial
from pathlib import Path

import pytest

from loadtests import stored
from loadtests.evaluation import progress as progress_module
from loadtests.evaluation.job import Task, work
from loadtests.evaluation.progress import Progress

TASKS: list[Task] = [("logs", partial(divmod, 7, 3)), ("windows", partial(divmod, 9, 4))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.json"


def test_a_run_that_was_broken_off_goes_on(path: Path) -> None:
    progress = Progress(path)
    assert progress.kept(TASKS) == ([], TASKS)
    progress.add(*work(TASKS[0]))
    assert Progress(path).kept(TASKS) == ([("logs", [2, 1])], TASKS[1:])


def test_a_result_that_was_half_written_is_made_again(path: Path) -> None:
    progress = Progress(path)
    for task in TASKS:
        progress.add(*work(task))
    partial_file = path.with_name("results.json.partial")
    partial_file.write_text(partial_file.read_text("utf-8")[:-5], "utf-8")
    assert Progress(path).kept(TASKS) == ([("logs", [2, 1])], TASKS[1:])
    # Nothing is written behind the half line.
    Progress(path).add(*work(TASKS[1]))
    assert Progress(path).kept(TASKS)[1] == []


def test_results_of_other_code_are_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Progress(path).add(*work(TASKS[0]))
    monkeypatch.setattr(progress_module, "_digest", lambda: "another")
    assert Progress(path).kept(TASKS) == ([], TASKS)


def test_nothing_is_left_of_a_run_that_ended(path: Path) -> None:
    progress = Progress(path)
    progress.add(*work(TASKS[0]))
    progress.end()
    assert list(path.parent.iterdir()) == []


def test_without_a_file_nothing_is_kept() -> None:
    progress = Progress(None)
    progress.add(*work(TASKS[0]))
    assert progress.kept(TASKS) == ([], TASKS)
    progress.end()


def test_a_folder_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError, match=r"there is no folder .*missing"):
        stored.target(str(tmp_path / "missing" / "results.json"))
