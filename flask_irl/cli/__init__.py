"""Offer the operations in a shell: ``flask irl …``."""

from flask_irl.cli import (
    campaigns,
    clients,
    keys,
    migrate,
    models,
    plans,
    replay,
    site,
    status,
    trainer,
)
from flask_irl.cli.group import irl

__all__ = [
    "campaigns",
    "clients",
    "irl",
    "keys",
    "migrate",
    "models",
    "plans",
    "replay",
    "site",
    "status",
    "trainer",
]
