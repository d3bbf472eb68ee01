"""End the schedule with the interpreter."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import threading
from flask_irl.limiter.schedule import Schedule

flushing, goes_on = threading.Event(), threading.Event()

def flush():
    flushing.set()
    goes_on.wait()

schedule = Schedule(
    flush=flush, poll=lambda: None, train=None, expire=lambda: None, train_seconds=60
)
schedule.start()
flushing.wait()
# The interpreter waits for the flush as it would with a store that hangs, and another job is due.
threading.Timer(1.5, goes_on.set).start()
"""


def test_a_job_that_is_due_while_the_interpreter_ends_is_dropped_without_a_word() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
