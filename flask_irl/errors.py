"""The errors that flask_irl raises; all derive from :class:`IrlError`."""

from __future__ import annotations


class IrlError(Exception):
    """Base of every error of this package."""


class ConfigurationError(IrlError, ValueError):
    """An option, limit string or URI is wrong; names the key, the value and what is allowed."""


class StoreError(IrlError):
    """The store did not answer, answered too late, or answered with an error.

    Args:
        message: What happened, without secrets of the storage URI.
        kind: One of ``timeout``, ``refused``, ``connection``, ``response``; a metric label.
    """

    def __init__(self, message: str, *, kind: str = "connection") -> None:
        super().__init__(message)
        self.kind = kind


class ModelError(IrlError):
    """A model, or the data it is made from, is damaged, foreign or of another schema."""


class TrainingRefused(IrlError):
    """A training was not started or its model not accepted; the message says why."""


class LogError(IrlError):
    """An access log can't be opened or is of no known format."""
