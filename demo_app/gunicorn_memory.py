"""Configure gunicorn for the embedded store: one process with threads, which holds the store.

``gunicorn -c demo_app/gunicorn_memory.py "demo_app:create_app()"``
"""

from __future__ import annotations

from typing import Any, Final

from demo_app.gunicorn_metrics import use_none
from demo_app.gunicorn_shared import (
    bind,
    control_socket_disable,
    graceful_timeout,
    keepalive,
    logconfig_dict,
    worker_class,
)
from demo_app.sign_in import VARIABLE, own_token, tell_address

__all__ = [
    "bind",
    "control_socket_disable",
    "graceful_timeout",
    "keepalive",
    "logconfig_dict",
    "on_starting",
    "post_worker_init",
    "raw_env",
    "threads",
    "worker_class",
    "workers",
]

use_none()

workers: Final = 1
threads: Final = 8
_token: Final = own_token()
raw_env: Final = [
    "REDIS_URL=",
    "IRL_STORAGE_URI=",
    *([] if _token is None else [f"{VARIABLE}={_token}"]),
]


def on_starting(server: Any) -> None:
    """Refuse to start several processes: each would count for itself, and admit too many."""
    if server.cfg.workers != 1:
        raise RuntimeError(
            f"workers is {server.cfg.workers}, but the embedded store allows only 1: for more, "
            "use demo_app/gunicorn_redis.py"
        )


def post_worker_init(worker: Any) -> None:
    """Tell where the operator's page is, where nobody has a token for it."""
    if _token is not None:
        tell_address(worker)
