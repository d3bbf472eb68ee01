"""Configure gunicorn, for both kinds of stores alike."""

from __future__ import annotations

import os
from typing import Any, Final

bind: Final = os.environ.get("BIND") or f"127.0.0.1:{os.environ.get('PORT') or '8000'}"
"""``BIND`` is whatever gunicorn takes (``0.0.0.0:80``, ``unix:/run/app.sock``, ``fd://3``);
``PORT`` alone is a port on this machine."""

worker_class: Final = "gthread"
keepalive: Final = 15
"""Seconds that an idle connection is kept for its client's next request."""
graceful_timeout: Final = 10
# Otherwise gunicorn 25.1 and newer open a control socket in the home folder.
control_socket_disable: Final = True

_form: Final = os.environ.get("LOG_FORMAT") or "text"
if _form not in ("text", "json"):
    raise RuntimeError(f"LOG_FORMAT is {_form!r}, which is not allowed: give text or json")

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_level: Final = (os.environ.get("LOG_LEVEL") or "INFO").upper()
if _level not in _LEVELS:
    raise RuntimeError(f"LOG_LEVEL is {_level!r}, which is not allowed: give {', '.join(_LEVELS)}")

# By name: only gunicorn's logger needs it, and only then is flask_irl imported.
_FORMATTERS: Final[dict[str, dict[str, Any]]] = {
    "text": {
        "format": "%(asctime)s [%(process)d] [%(levelname)s] %(name)s: %(message)s",
        "datefmt": "%Y-%m-%dT%H:%M:%S%z",
    },
    "json": {"()": "flask_irl.telemetry.log.JsonFormatter"},
}

_ERRORS: Final = {"level": "INFO", "handlers": ["error_console"], "propagate": False}

logconfig_dict: Final[dict[str, Any]] = {
    # The scheduler tells of every run of every job: a line a second.
    "root": {"level": "WARNING", "handlers": ["error_console"]},
    "loggers": {
        "flask_irl": {"level": _level},
        # gunicorn's own lines, too, are JSON then.
        **({"gunicorn.error": _ERRORS} if _form == "json" else {}),
    },
    "formatters": {"generic": _FORMATTERS[_form]},
}
