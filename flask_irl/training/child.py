"""Training of detectors in a child process, which web workers wait for in the background.

scikit-learn, scipy and joblib are loaded by that process, which ends with the training
(``python -m flask_irl.training.child``). Programs that train often and serve nobody, like the
replay of a log, call :func:`flask_irl.training.forests.fit_detector` themselves.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError, TrainingRefused
from flask_irl.model.container import pack, unpack
from flask_irl.model.detectors import Detector, Rows, detector_from
from flask_irl.model.detectors.base import clean_rows
from flask_irl.training.forests import checked, fit_detector

_NICENESS = 10

# The secrets of a web worker's environment are none of the child's business.
_PASSED_ON = re.compile(
    r"HOME|LANG|LC_\w+|(DY)?LD_LIBRARY_PATH|PATH|SYSTEMROOT|TEMP|TMP|TMPDIR|VIRTUAL_ENV"
    r"|PYTHON(DONTWRITEBYTECODE|HOME|NOUSERSITE|PLATLIBDIR|PYCACHEPREFIX|USERBASE|UTF8)"
)
_SINGLE_THREAD = {
    f"{library}_THREADS": "1"
    for library in ("BLIS_NUM", "MKL_NUM", "OMP_NUM", "OPENBLAS_NUM", "VECLIB_MAXIMUM")
}


def fit_in_child(
    rows: Rows,
    *,
    kind: str = "isolation_forest",
    trees: int = 100,
    max_samples: int = 256,
    seed: int,
    normal: NDArray[np.bool_] | None = None,
    attacks: Rows | None = None,
    routes: Mapping[str, float] | None = None,
    timeout: float = 120.0,
) -> Detector:
    """Train a detector in a child process of low priority, and wait for it.

    Args:
        rows: See :func:`~flask_irl.training.forests.fit_detector`, as for all others.
        kind: Of the detector.
        trees: Number of trees.
        max_samples: Rows per tree.
        seed: 0 to 2**32 - 1.
        normal: Which rows are legitimate beyond doubt.
        attacks: Rows of known abusers.
        routes: The site's routes.
        timeout: Seconds after which the child is killed.

    Raises:
        TrainingRefused: There are too few rows, scikit-learn is not installed, or the child
            crashed, took too long or answered with something else; says which.
        ValueError: An argument is out of its range.
    """
    clean = checked(rows, trees, max_samples, seed)
    if not 0.0 < timeout < math.inf:
        raise ValueError(f"timeout must be a positive number of seconds, not {timeout}")
    arrays: dict[str, NDArray[Any]] = {"rows": clean}
    if normal is not None:
        arrays["normal"] = normal.astype(np.uint8)
    if attacks is not None and len(attacks):
        arrays["attacks"] = clean_rows(attacks, clean.shape[1])
    meta = {
        "kind": kind,
        "trees": trees,
        "max_samples": max_samples,
        "seed": seed,
        "routes": dict(routes or {}),
    }
    request = pack(meta, arrays)
    try:
        # On a time-out, or any other exception, run() kills the child and waits for its end. Its
        # own session keeps it out of the terminal's Ctrl-C, which is for the parent to handle.
        done = subprocess.run(  # noqa: S603
            _command(timeout),
            input=request,
            capture_output=True,
            close_fds=True,
            env=_environment(),
            start_new_session=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TrainingRefused(
            f"the training process was killed: it took more than {timeout:g} seconds"
        ) from None
    except OSError as error:
        raise TrainingRefused(f"the training process could not be started: {error}") from error
    if done.returncode != 0:
        raise TrainingRefused(
            f"the training process failed ({_ending(done.returncode)}): {_last_line(done.stderr)}"
        )
    try:
        detector = detector_from(kind, unpack(done.stdout)[1])
    except ModelError as error:
        raise TrainingRefused(f"the training process gave no usable answer: {error}") from error
    if detector.n_features != clean.shape[1]:
        raise TrainingRefused(
            f"the training process answered with a detector of {detector.n_features} features "
            f"instead of {clean.shape[1]}"
        )
    return detector


def main() -> int:
    """Be the child of :func:`fit_in_child`: request on stdin, answer on stdout, both containers.

    Returns:
        The exit status: 0, or 1 with the reason as the last line on stderr.
    """
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # Nobody kills this process when its parent dies first, so it ends itself.
    if hasattr(signal, "setitimer") and len(sys.argv) > 1:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
    # Whatever a library prints must not get into the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        parameters, arrays = unpack(sys.stdin.buffer.read())
        normal = arrays.get("normal")
        detector = fit_detector(
            rows=arrays["rows"],
            normal=None if normal is None else normal.astype(bool),
            attacks=arrays.get("attacks"),
            **parameters,
        )
    except (ModelError, TrainingRefused, KeyError, TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    try:
        with os.fdopen(answer, "wb") as stream:
            stream.write(pack({}, detector.to_arrays()))
    except BrokenPipeError:  # the parent is gone, and nobody is left to be told
        return 1
    return 0


def _command(timeout: float) -> list[str]:
    # -P: a module lying in the working directory must not pass for one of ours. The warning that
    # is silenced is about the package having imported this module before it is run.
    quiet = "ignore::RuntimeWarning:runpy"
    return [_interpreter(), "-P", "-W", quiet, "-m", "flask_irl.training.child", f"{timeout:g}"]


def _interpreter() -> str:
    # Within a server that embeds Python, like uWSGI, sys.executable is the server, or empty.
    if "py" in Path(sys.executable or "").name:
        return sys.executable
    return str(Path(sys.exec_prefix, "bin", "python3"))


def _environment() -> dict[str, str]:
    # The child finds modules where this process does, however it was told to.
    places = [place for place in sys.path if place and os.pathsep not in place]
    places.append(str(Path(__file__).resolve().parents[2]))
    passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    return {**passed_on, **_SINGLE_THREAD, "PYTHONPATH": os.pathsep.join(dict.fromkeys(places))}


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1][:500] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
