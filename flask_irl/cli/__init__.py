"""``flask irl …``: what an operator asks for in a shell."""

from flask_irl.cli import operating, replaying, training
from flask_irl.cli.group import irl

__all__ = ["irl", "operating", "replaying", "training"]
