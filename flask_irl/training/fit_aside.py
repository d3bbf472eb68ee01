"""Fit detectors in child processes that live on, for a program that serves no requests.

The two forests of a blend grow at once, each in a process of its own. Both load scikit-learn as
soon as they are started, while the program has other things to do.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace
from typing import Final

from flask_irl.errors import TrainingRefused
from flask_irl.model.detectors import BlendDetector, Detector
from flask_irl.training.child import ANSWER, LENGTH, LIVES_ON
from flask_irl.training.fit import (
    child_command,
    child_environment,
    detector_of,
    ending,
    last_line,
)
from flask_irl.training.forests import blend
from flask_irl.training.refusals import refusal_of
from flask_irl.training.training_set import TrainingSet

HALVES: Final = ("isolation_forest", "random_forest")
"""Kinds that a blend is made of."""
LAST_WORDS_SECONDS: Final = 5.0
"""Time that a child which answers no more has to end."""


class FitAside:
    """Fit detectors in two child processes; the same training set gives the same detector.

    They end with this process, at the latest.
    """

    def __init__(self) -> None:
        self._children = (_Child(), _Child())

    def start(self) -> None:
        """Start the processes, so that they are ready for the first training; never raises."""
        for child in self._children:
            child.start()

    def __call__(self, training_set: TrainingSet) -> Detector:
        """Fit a detector.

        Raises:
            TrainingRefused: There are too few rows, or a child crashed or answered with another
                thing; says which.
            LibraryMissing: scikit-learn is not installed.
        """
        if training_set.kind != "blend":
            return self._fit([training_set])[0]
        unusual, attack = self._fit(_halves(training_set))
        return blend(unusual, attack, training_set.rows)

    def close(self) -> None:
        """End the processes."""
        for child in self._children:
            child.close()

    def _fit(self, parts: list[TrainingSet]) -> list[Detector]:
        pairs = list(zip(self._children, parts, strict=False))
        for child, part in pairs:
            child.ask(part.to_bytes())
        # All of them, so that no answer is left for the next training.
        answers = [child.answer() for child, _ in pairs]
        for answer in answers:
            if isinstance(answer, TrainingRefused):
                raise answer
        return [
            detector_of(answer, part)
            for answer, part in zip(answers, parts, strict=True)
            if isinstance(answer, bytes)
        ]


def _halves(training_set: TrainingSet) -> list[TrainingSet]:
    """Make the training sets of a blend's two forests."""
    old = training_set.before
    parts = (old.unusual, old.attack) if isinstance(old, BlendDetector) else (None, None)
    return [
        replace(training_set, kind=kind, before=part)
        for kind, part in zip(HALVES, parts, strict=True)
    ]


class _Child:
    """Talk to one child process, which is started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._problem = ""

    def start(self) -> None:
        if self._process is not None:
            return
        # Not a pipe, which libraries that say much would fill.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        try:
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
            self._said.close()
            self._problem = f"the training process could not be started: {error}"

    def ask(self, request: bytes) -> None:
        self.start()
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            process.stdin.write(LENGTH.pack(len(request)) + request)
            process.stdin.flush()
        except OSError:
            # How it ended is told instead of the answer.
            return

    def answer(self) -> bytes | TrainingRefused:
        process = self._process
        if process is None or process.stdout is None:
            return TrainingRefused(self._problem)
        head = process.stdout.read(ANSWER.size)
        status, length = ANSWER.unpack(head) if len(head) == ANSWER.size else (1, 0)
        answer = process.stdout.read(length)
        if len(head) < ANSWER.size or len(answer) < length:
            return self._crashed(process)
        return answer if not status else refusal_of(status, ending(status), answer.decode())

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            # Closes the pipes, too.
            process.communicate()
            self._said.close()

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
