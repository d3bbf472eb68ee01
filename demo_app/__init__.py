"""Serve a small site that flask_irl protects: ``flask --app demo_app run``, or gunicorn with
``demo_app:create_app()``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

__all__ = ["create_app"]


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the demo app; see :func:`demo_app.app.create_app`."""
    # Late, so that gunicorn's master, which reads its settings from this package, loads no app.
    from demo_app.app import create_app as create

    return create(config)
