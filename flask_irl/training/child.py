"""Fit a detector as a child process: ``python -m flask_irl.training.child [seconds [parent]]``.

It reads a training set on stdin, and writes the detector's arrays on stdout as a container; see
:func:`flask_irl.training.fit.fit_in_child`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from flask_irl.errors import LibraryMissing, ModelError, TrainingRefused
from flask_irl.model.container import pack
from flask_irl.training.forests import fit_detector
from flask_irl.training.refusals import LIBRARY_MISSING, REFUSED
from flask_irl.training.training_set import TrainingSet

NICENESS = 10
LOOK_SECONDS = 0.2
"""Time between two looks whether the parent still lives."""


def end_with(parent: int) -> None:
    """End this process soon after its parent, which alone waits for the answer."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def main() -> int:
    """Read a training set, fit a detector, and write its arrays.

    Returns:
        The exit status: 0, or another one with the reason as the last line on stderr, see
        :mod:`flask_irl.training.refusals`.
    """
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    # The parent may die first and kill no child, so this process ends itself.
    if hasattr(signal, "setitimer") and len(sys.argv) > 1:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
    # Told by its number: it may be gone already.
    if hasattr(os, "getppid") and len(sys.argv) > 2:
        threading.Thread(target=end_with, args=(int(sys.argv[2]),), daemon=True).start()
    # Output of libraries must not get into the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        detector = fit_detector(TrainingSet.from_bytes(sys.stdin.buffer.read()))
    except TrainingRefused as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return LIBRARY_MISSING if isinstance(error, LibraryMissing) else REFUSED
    except (ModelError, TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    try:
        with os.fdopen(answer, "wb") as stream:
            stream.write(pack({}, detector.to_arrays()))
    except BrokenPipeError:  # the parent is gone, and no process reads the answer
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
