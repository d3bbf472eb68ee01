"""What an evaluation consists of, each piece for a process of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

from loadtests.evaluation.ablation import ablate
from loadtests.evaluation.job import run
from loadtests.evaluation.real import judge_log
from loadtests.evaluation.recovery import recoveries


class Task(NamedTuple):
    """Something to do.

    Attributes:
        part: Which part of the results it belongs to.
        of: Its arguments.
    """

    part: str
    of: tuple[Any, ...]


def work(task: Task) -> tuple[str, list[dict[str, Any]]]:
    """Do it; the part and what belongs there."""
    if task.part == "logs":
        return task.part, [run(*task.of)]
    if task.part == "real":
        return task.part, [judge_log(*task.of)]
    if task.part == "ablation":
        return task.part, [ablate(*task.of)]
    return task.part, recoveries(*task.of)
