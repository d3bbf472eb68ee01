"""Fit a detector as a child process: ``python -m flask_irl.training.child [seconds [parent]]``.

It reads a training set on stdin, and writes the detector's arrays on stdout as a container; see
:func:`flask_irl.training.fit.fit_in_child`. With a third argument, :data:`LIVES_ON`, it does so for
one training set after another; see :mod:`flask_irl.training.fit_aside`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import sys
import threading
import time
from typing import BinaryIO, Final

from flask_irl.errors import LibraryMissing, ModelError, TrainingRefused
from flask_irl.model.container import pack
from flask_irl.training.forests import fit_detector, load_library
from flask_irl.training.refusals import LIBRARY_MISSING, REFUSED
from flask_irl.training.training_set import TrainingSet

NICENESS = 10
LOOK_SECONDS = 0.2
"""Time between two looks whether the parent still lives."""
LIVES_ON: Final = "lives-on"
LENGTH: Final = struct.Struct("<Q")
"""Length of a training set, before it."""
ANSWER: Final = struct.Struct("<BQ")
"""Status of an answer, and its length, before it."""


def end_with(parent: int) -> None:
    """End this process soon after its parent, which alone waits for the answer."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def main() -> int:
    """Read a training set, fit a detector, and write its arrays; with :data:`LIVES_ON`, many.

    Returns:
        The exit status: 0, or another one with the reason as the last line on stderr, see
        :mod:`flask_irl.training.refusals`.
    """
    lives_on = sys.argv[3:] == [LIVES_ON]
    if hasattr(os, "nice") and not lives_on:
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
        with os.fdopen(answer, "wb") as stream:
            return _answer_all(sys.stdin.buffer, stream) if lives_on else _answer_one(stream)
    except BrokenPipeError:  # the parent is gone, and no process reads the answer
        return 1


def _answer_one(stream: BinaryIO) -> int:
    status, answer = _answer(sys.stdin.buffer.read())
    if status:
        print(answer.decode(), file=sys.stderr)
    else:
        stream.write(answer)
    return status


def _answer_all(requests: BinaryIO, answers: BinaryIO) -> int:
    """Answer training sets, each behind its length, until there are no more."""
    # Whoever waits for the first detector needn't wait for the library, too.
    with contextlib.suppress(LibraryMissing):
        load_library()
    while len(length := requests.read(LENGTH.size)) == LENGTH.size:
        status, answer = _answer(requests.read(*LENGTH.unpack(length)))
        answers.write(ANSWER.pack(status, len(answer)) + answer)
        answers.flush()
    return 0


def _answer(training_set: bytes) -> tuple[int, bytes]:
    """Fit a detector; give status 0 and its arrays, or another status and the reason."""
    try:
        detector = fit_detector(TrainingSet.from_bytes(training_set))
    except TrainingRefused as error:
        status = LIBRARY_MISSING if isinstance(error, LibraryMissing) else REFUSED
        return status, " ".join(str(error).split()).encode()
    except (ModelError, TypeError, ValueError) as error:
        return 1, f"{type(error).__name__}: {error}".encode()
    return 0, pack({}, detector.to_arrays())


if __name__ == "__main__":
    sys.exit(main())
