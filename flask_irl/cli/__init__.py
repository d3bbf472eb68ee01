"""Offer the operations in a shell: ``flask irl …``."""

from flask_irl.cli import (
    campaigns,
    clients,
    incidents,
    migrate,
    models,
    replay,
    report,
    site,
    status,
    top,
    trainer,
)
from flask_irl.cli.group import irl

__all__ = [
    "campaigns",
    "clients",
    "incidents",
    "irl",
    "migrate",
    "models",
    "replay",
    "report",
    "site",
    "status",
    "top",
    "trainer",
]
