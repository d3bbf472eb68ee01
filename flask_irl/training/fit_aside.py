"""Fit detectors in a child process that lives on, for a program that serves no requests.

The child loads scikit-learn as soon as it is started, while the program has other things to do.
While it grows a blend's Isolation Forest, this process simulates the attackers for the other one.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from dataclasses import replace
from typing import Final

from flask_irl.errors import TrainingRefused
from flask_irl.model.container import MAX_BYTES
from flask_irl.model.detectors import BlendDetector, Detector
from flask_irl.training.child import ANSWER, LENGTH, LIVES_ON
from flask_irl.training.fit import (
    child_command,
    child_environment,
    detector_of,
    ending,
    last_line,
)
from flask_irl.training.forests import blend, simulate
from flask_irl.training.refusals import refusal_of
from flask_irl.training.training_set import TrainingSet

HALVES: Final = ("isolation_forest", "random_forest")
"""Kinds that a blend is made of."""
LAST_WORDS_SECONDS: Final = 5.0
"""Time that a child which answers no more has to end."""


class FitAside:
    """Fit detectors in a child process; the same training set gives the same detector as elsewhere.

    It ends with this process, at the latest.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, so that it is ready for the first training; never raises."""
        with contextlib.suppress(TrainingRefused):
            self._start()

    def __call__(self, training_set: TrainingSet) -> Detector:
        """Fit a detector.

        Raises:
            TrainingRefused: There are too few rows, or the child crashed or answered with another
                thing; says which.
            LibraryMissing: scikit-learn is not installed.
            ValueError: The rows are of other features.
        """
        if training_set.kind != "blend":
            self._ask(training_set)
            return self._answer(training_set)
        first, second = _halves(training_set)
        self._ask(first)
        try:
            simulated = simulate(second)
        finally:
            # In any case, so that no answer is left for the next training.
            unusual = self._answer(first)
        second = replace(second, simulated=simulated)
        self._ask(second)
        return blend(unusual, self._answer(second), training_set.rows)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            # Closes the pipes, too.
            process.communicate()
            self._said.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        said = None
        try:
            # Not a pipe, which libraries that say much would fill.
            said = self._said = tempfile.TemporaryFile()  # noqa: SIM115
            # Its own session keeps it out of the terminal's Ctrl-C, which ends it through this one.
            self._process = subprocess.Popen(  # noqa: S603
                [*child_command(0.0), LIVES_ON],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=child_environment(),
                start_new_session=True,
            )
        except OSError as error:
            if said is not None:
                said.close()
            raise TrainingRefused(f"the training process could not be started: {error}") from error
        return self._process

    def _ask(self, training_set: TrainingSet) -> None:
        requests, data = self._start().stdin, training_set.to_bytes()
        # How it has ended, if it has, is told instead of the answer.
        with contextlib.suppress(OSError):
            if requests is not None:
                requests.write(LENGTH.pack(len(data)) + data)
                requests.flush()

    def _answer(self, training_set: TrainingSet) -> Detector:
        process = self._start()
        if process.stdout is None:
            raise self._crashed(process)
        head = process.stdout.read(ANSWER.size)
        if len(head) < ANSWER.size:
            raise self._crashed(process)
        status, length = ANSWER.unpack(head)
        if length > MAX_BYTES:
            # A module that is loaded at each start of Python may have written something.
            self.close()
            raise TrainingRefused(
                f"the training process gave no usable answer: it began with {head!r}"
            )
        answer = process.stdout.read(length)
        if len(answer) < length:
            raise self._crashed(process)
        if status:
            raise refusal_of(status, ending(status), answer.decode())
        return detector_of(answer, training_set)

    def _crashed(self, process: subprocess.Popen[bytes]) -> TrainingRefused:
        """Tell how the child ended; the next training gets another one."""
        try:
            # Its last words come after the end of its answers.
            status = process.wait(LAST_WORDS_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        self._said.seek(0)
        refusal = refusal_of(status, ending(status), last_line(self._said.read()))
        self.close()
        return refusal


def _halves(training_set: TrainingSet) -> list[TrainingSet]:
    """Make the training sets of a blend's two forests."""
    old = training_set.before
    parts = (old.unusual, old.attack) if isinstance(old, BlendDetector) else (None, None)
    return [
        replace(training_set, kind=kind, before=part)
        for kind, part in zip(HALVES, parts, strict=True)
    ]
