"""Configure gunicorn for several workers that share a Redis store.

``REDIS_URL=redis://… gunicorn -c demo_app/gunicorn_redis.py "demo_app:create_app()"``;
``WEB_CONCURRENCY`` is the number of workers, by default the processors', 2 to 8. Their metrics
add up in ``PROMETHEUS_MULTIPROC_DIR``, see :mod:`demo_app.gunicorn_metrics`.
"""

from __future__ import annotations

import os
from typing import Final

from demo_app.gunicorn_metrics import (
    child_exit,
    on_exit,
    on_starting,
    pre_exec,
    pre_fork,
    use_folder,
)
from demo_app.gunicorn_shared import (
    bind,
    control_socket_disable,
    graceful_timeout,
    keepalive,
    logconfig_dict,
    worker_class,
)

__all__ = [
    "bind",
    "child_exit",
    "control_socket_disable",
    "graceful_timeout",
    "keepalive",
    "logconfig_dict",
    "on_exit",
    "on_starting",
    "pre_exec",
    "pre_fork",
    "raw_env",
    "threads",
    "worker_class",
    "workers",
]

workers: Final = int(os.environ.get("WEB_CONCURRENCY") or max(2, min(8, os.cpu_count() or 2)))
if workers < 1:
    # gunicorn would listen, and no worker answer.
    raise RuntimeError(f"WEB_CONCURRENCY is {workers}, which is not allowed: give 1 or more")
use_folder()
threads: Final = 4
# Without a server of that kind, each worker would count for itself.
raw_env: Final = [f"REDIS_URL={os.environ.get('REDIS_URL') or 'redis://127.0.0.1:6379/0'}"]
