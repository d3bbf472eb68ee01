"""Run the tests on all cores, in two stages: first the quick ones, then the slow ones.

``python -m tests.stages [ARGUMENT …]`` hands its arguments on to pytest, in both stages; those of
pytest-xdist, such as ``-n0``, win over the ones that are set here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import pytest

STAGES = {"quick": "not slow", "slow": "slow"}
"""Expressions of marks by the stage's name."""

MOST_WORKERS = 8
"""Each worker has Redis servers of its own."""

Run = Callable[[Sequence[str]], int]
"""Run pytest with arguments, and give its exit code."""


def cores() -> int:
    """Count the cores that this process may use."""
    # Not on macOS and Windows.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_pytest(arguments: Sequence[str]) -> int:
    """Run pytest in a process of its own."""
    # Some containers forbid to keep bytecode: each of hundreds of processes would compile all anew.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def main(arguments: Sequence[str], run: Run = run_pytest) -> int:
    """Run the stages, the second one only if the first has not failed.

    A stage that none of the tests asked for belongs to is passed over, but not both.

    Returns:
        An exit code of pytest.
    """
    # Tests that wait for servers leave a core idle a quarter of the time.
    workers = min(cores() * 3 // 2, MOST_WORKERS)
    code = int(pytest.ExitCode.NO_TESTS_COLLECTED)
    for number, (name, marks) in enumerate(STAGES.items(), 1):
        print(f"\nStage {number} of {len(STAGES)}: the {name} tests", flush=True)
        began = time.monotonic()
        # A file's tests share servers, and some of them what the ones before have done.
        parallel = ("-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder")
        stage_code = run((*parallel, "-m", marks, *arguments))
        print(f"The {name} tests took {time.monotonic() - began:.0f} s", flush=True)
        if stage_code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return stage_code
        code = min(code, stage_code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
