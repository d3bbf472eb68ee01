"""``flask irl …``: what an operator asks for in a shell."""

from flask_irl.cli import clients, models, replaying, site, training
from flask_irl.cli.group import irl

__all__ = ["clients", "irl", "models", "replaying", "site", "training"]
