"""Keep the folder in which the metrics of several gunicorn workers are.

The folder is ``PROMETHEUS_MULTIPROC_DIR``, a fresh one in the system's temporary folder if none
is given. A given one must be this server's alone: at each start it is cleared.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
PREFIX: Final = "irl-metrics-"
_LEFT = re.compile(r"(counter|gauge_[a-z]+|histogram|summary)_\d+\.db")


def use_folder() -> None:
    """Make the folder; call it before prometheus_client is loaded, which looks for it once."""
    folder = os.environ.get(VARIABLE)
    if folder:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RuntimeError(
                f"{VARIABLE} is {folder!r}, and no such folder can be made: {error.strerror}"
            ) from None
    else:
        # Not by raw_env, which gunicorn undoes at each reload.
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix=PREFIX)


def use_none() -> None:
    """Use no folder: one process needs none, and files left in one are another server's."""
    os.environ.pop(VARIABLE, None)


def on_starting(server: Any) -> None:
    """Clear the files of an earlier server, unless that one is alive and hands over (SIGUSR2)."""
    folder = _folder()
    if server.master_pid == 0:
        for path in folder.iterdir():
            if _LEFT.fullmatch(path.name):
                path.unlink(missing_ok=True)
    if _is_ours(folder):
        _hand_over(folder, server)


def pre_fork(server: Any, worker: Any) -> None:
    """Make the folder again if something swept it away: no worker could start without it."""
    folder = _folder()
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        _hand_over(folder, server)


def pre_exec(server: Any) -> None:
    """Hand the folder to the server that takes over: else the counters would jump to and fro."""
    server.cfg.env_orig[VARIABLE] = str(_folder())


def child_exit(server: Any, worker: Any) -> None:
    """Drop the gauges of a worker that ended; its counters stay."""
    # Late: the master needs no more of that library.
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Remove the folder, if it was made here and no other server goes on with it."""
    folder = _folder()
    predecessor = server.master_pid != 0 and server.master_pid == os.getppid()
    if _is_ours(folder) and not server.reexec_pid and not predecessor:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    return Path(os.environ[VARIABLE])


def _hand_over(folder: Path, server: Any) -> None:
    """Give a folder that was made here to the user of the workers."""
    if os.geteuid() == 0:
        os.chown(folder, server.cfg.uid, server.cfg.gid)


def _is_ours(folder: Path) -> bool:
    return folder.parent == Path(tempfile.gettempdir()) and folder.name.startswith(PREFIX)
