"""Define the apps that are measured."""

from typing import Final

PATH: Final = "/api/data"
"""Path of the one route of every app."""
PLENTY: Final = 1_000_000
"""Limit, in requests a minute, that no client reaches."""
