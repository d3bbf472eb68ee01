"""Fit a detector: in a child process of low priority, or in this one.

scikit-learn, scipy and joblib are loaded by the child process where it grows a whole forest, and
end with it. A child that lived on would spare the import, and keep 150 MB in each worker that ever
had the turn to train.
Programs that train often and serve no requests fit here, or like the replay of a log in a
child process that lives on, see :mod:`flask_irl.training.fit_aside`.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from flask_irl.errors import ModelError, TrainingRefused
from flask_irl.model.container import unpack
from flask_irl.model.detectors import Detector, detector_from
from flask_irl.training.refusals import refusal_of
from flask_irl.training.training_set import TrainingSet

Fit = Callable[[TrainingSet], Detector]

TIMEOUT: Final = 120.0
"""Seconds after which a child process is killed."""

# The secrets of a web worker's environment are none of the child's business.
_PASSED_ON: Final = re.compile(
    r"HOME|LANG|LC_\w+|(DY)?LD_LIBRARY_PATH|PATH|SYSTEMROOT|TEMP|TMP|TMPDIR|VIRTUAL_ENV"
    r"|PYTHON(DONTWRITEBYTECODE|HOME|NOUSERSITE|PLATLIBDIR|PYCACHEPREFIX|USERBASE|UTF8)"
)
# The package's own __init__ imports Flask and all that a web worker needs, half a second of CPU; so
# the package is put in place without running it.
_START: Final = """
import importlib.util, sys
spec = importlib.util.find_spec("flask_irl")
sys.modules["flask_irl"] = importlib.util.module_from_spec(spec)
from flask_irl.training.child import main
sys.exit(main())
"""
_SINGLE_THREAD: Final = {
    f"{library}_THREADS": "1"
    for library in ("BLIS_NUM", "MKL_NUM", "OMP_NUM", "OPENBLAS_NUM", "VECLIB_MAXIMUM")
}


def fit_here(training_set: TrainingSet) -> Detector:
    """Fit a detector in this process.

    Raises:
        TrainingRefused: There are too few rows.
        LibraryMissing: scikit-learn is not installed.
        ValueError: The training set is of an unknown kind.
    """
    # A web worker never fits here, and needs none of it.
    from flask_irl.training.forests import fit_detector

    return fit_detector(training_set)


def child_command(timeout: float) -> list[str]:
    """Give the command of a child process that ends after ``timeout`` seconds, or with this one."""
    # -P: a module lying in the working directory must not pass for one of ours.
    return [_interpreter(), "-P", "-c", _START, f"{timeout:g}", str(os.getpid())]


def child_environment() -> dict[str, str]:
    """Give a child process the environment that it needs, and no more.

    It imports modules from where this process does, however this process was set up.
    """
    places = [place for place in sys.path if place and os.pathsep not in place]
    places.append(str(Path(__file__).resolve().parents[2]))
    passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    return {**passed_on, **_SINGLE_THREAD, "PYTHONPATH": os.pathsep.join(dict.fromkeys(places))}


def fit_in_child(
    training_set: TrainingSet,
    *,
    timeout: float = TIMEOUT,
    command: Callable[[float], Sequence[str]] = child_command,
    started: Callable[[subprocess.Popen[bytes]], object] = lambda child: None,
) -> Detector:
    """Fit a detector in a child process of low priority, and wait for it.

    Args:
        training_set: Rows and the kind of the detector.
        timeout: Seconds after which the child is killed.
        command: Makes the child's command from the timeout.
        started: Takes the child, as soon as there is one.

    Raises:
        TrainingRefused: There are too few rows, or the child crashed, took too long or answered
            with another thing; says which.
        LibraryMissing: scikit-learn is not installed.
        ValueError: The timeout is out of its range.
    """
    if not 0.0 < timeout < math.inf:
        raise ValueError(f"timeout must be a positive number of seconds, not {timeout}")
    answer = _run(command(timeout), training_set.to_bytes(), timeout, started)
    return detector_of(answer, training_set)


def detector_of(answer: bytes, training_set: TrainingSet) -> Detector:
    """Read the detector that a child process answered a training set with.

    Raises:
        TrainingRefused: It is none, or one for other features.
    """
    try:
        detector = detector_from(training_set.kind, unpack(answer)[1])
    except ModelError as error:
        raise TrainingRefused(f"the training process gave no usable answer: {error}") from error
    width = training_set.rows.shape[1]
    if detector.n_features != width:
        raise TrainingRefused(
            f"the training process answered with a detector of {detector.n_features} features "
            f"instead of {width}"
        )
    return detector


class ChildFit:
    """Fit detectors in child processes, one at a time, until :meth:`end`."""

    def __init__(self) -> None:
        self._ended = False
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, training_set: TrainingSet) -> Detector:
        """Fit a detector; raises as :func:`fit_in_child` does, and when it is ended."""
        try:
            return fit_in_child(training_set, started=self._follow)
        except TrainingRefused:
            if self._ended:
                raise TrainingRefused("this process is about to end") from None
            raise
        finally:
            self._child = None

    def end(self) -> None:
        """Kill the child that trains, and any that is started later."""
        self._ended = True
        child = self._child
        if child is not None:
            child.kill()

    def after_fork(self) -> None:
        """Begin anew in a forked process: the child is its parent's."""
        self._ended = False
        self._child = None

    def _follow(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        if self._ended:
            child.kill()


def _run(
    command: Sequence[str],
    request: bytes,
    timeout: float,
    started: Callable[[subprocess.Popen[bytes]], object],
) -> bytes:
    """Run a child process, and give its answer."""
    try:
        # Its own session keeps it out of the terminal's Ctrl-C, which is for the parent to handle.
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            close_fds=True,
            env=child_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise TrainingRefused(f"the training process could not be started: {error}") from error
    # At its end it waits for the child.
    with process:
        try:
            started(process)
            answer, said = process.communicate(request, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise TrainingRefused(
                f"the training process was killed: it took more than {timeout:g} seconds"
            ) from None
        except BaseException:
            process.kill()
            raise
    status = process.returncode
    if status != 0:
        raise refusal_of(status, ending(status), last_line(said))
    return answer


def _interpreter() -> str:
    # Within a server that embeds Python, like uWSGI, sys.executable is the server, or empty.
    if "py" in Path(sys.executable or "").name:
        return sys.executable
    return str(Path(sys.exec_prefix, "bin", "python3"))


def ending(status: int) -> str:
    """Word how a child process ended, by its exit status."""
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def last_line(output: bytes) -> str:
    """Give the last line that a child process wrote, for a message."""
    lines = output.decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1][:500] if lines else "it said nothing"
