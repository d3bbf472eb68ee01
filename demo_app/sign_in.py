"""Let whoever starts the demo app into the operator's page, though no token is set."""

from __future__ import annotations

import os
import secrets
from typing import Any, Final

TOKENS: Final = ("IRL_ADMIN_TOKEN", "IRL_ADMIN_TOKENS")
VARIABLE: Final = TOKENS[0]


def own_token() -> str | None:
    """Make a token that nobody is told; None where one is set."""
    if any(os.environ.get(name) for name in TOKENS):
        return None
    return secrets.token_urlsafe(32)


def tell_address(worker: Any) -> None:
    """Log the page's address, at which somebody may sign in once within a quarter of an hour.

    Args:
        worker: gunicorn's worker, with the app.
    """
    from flask_irl.admin import issue_sign_in

    path = issue_sign_in(worker.wsgi)
    if path is not None:
        bound = worker.cfg.bind[0]
        origin = f"http://{bound}" if bound[:1].isdigit() else "http://127.0.0.1:8000"
        worker.log.info(
            "Operator's page, to sign in once, until a quarter of an hour from now: %s%s",
            origin,
            path,
        )
