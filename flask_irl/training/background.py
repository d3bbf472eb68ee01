"""Run trainings on a thread that nothing waits for, and leave their lease when the process ends."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Final

from flask_irl.errors import TrainingRefused
from flask_irl.training.trainer import Trainer

CLOSE_SECONDS: Final = 0.5
"""Time that :meth:`BackgroundTraining.close` waits for a training that it breaks off."""


class BackgroundTraining:
    """Start trainings, scheduled or ordered, one at a time.

    The right to train is claimed before the thread starts, so the starter knows at once whether
    there is a training. The thread is a daemon: a process that ends waits for the threads of a
    pool.

    Args:
        trainer: Carries the trainings out.
        guard: Calls the work of the thread, and keeps its errors.
        break_off: Ends a training that runs, as soon as can be.
    """

    def __init__(
        self,
        trainer: Trainer,
        guard: Callable[[Callable[[], object]], object],
        break_off: Callable[[], object] = lambda: None,
    ) -> None:
        self._trainer = trainer
        self._guard = guard
        self._break_off = break_off
        self._closed = False
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent's thread isn't here."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether a training runs."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self, *, whole: bool = True) -> None:
        """Start a training, whatever is new; return at once.

        Args:
            whole: Grow all trees anew; see :meth:`Trainer.train`.

        Raises:
            TrainingRefused: There is too little to learn from, a training runs, here or in
                another worker, or this process ends.
            StoreError: The store failed.
        """
        claim = self._trainer.claim()
        try:
            self._run(claim, whole)
        except BaseException:
            self._trainer.drop(claim)
            raise

    def start_if_due(self) -> None:
        """Start a training if it is this process's turn and anything was learned.

        A refusal is in the log, as of a training.

        Raises:
            StoreError: The store failed.
        """
        if not self._closed and self._trainer.is_due():
            try:
                self.start(whole=False)
            except TrainingRefused:
                return

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Start no training any more, break off one that runs, and wait a moment for its end.

        A thread that is in native code when the interpreter ends may bring it down.

        Returns:
            Whether one ran: then its turn is to be left to another worker.
        """
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        ran = thread is not None and thread.is_alive()
        self._break_off()
        if thread is not None:
            thread.join(seconds)
        return ran

    def _run(self, claim: str, whole: bool) -> None:
        train = functools.partial(self._trainer.train, claim, whole=whole)
        # In the starter's context: lines of the log name the tenant, if there is one.
        work = functools.partial(contextvars.copy_context().run, self._guard, train)
        with self._lock:
            if self._closed:
                raise TrainingRefused("this process is about to end")
            thread = threading.Thread(target=work, name="irl-train", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise TrainingRefused(f"no thread can be started: {error}") from error
            self._thread = thread
