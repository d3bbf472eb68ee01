"""Define the errors that flask_irl raises; all derive from :class:`IrlError`."""

from __future__ import annotations

from typing import Final

OUT: Final = "out"
"""Kind of the error of a call that wasn't made, since its part of the store has failed before."""


class IrlError(Exception):
    """Base of every error of this package."""


class ConfigurationError(IrlError, ValueError):
    """Refuse an option, a limit or a URI; names the key, the value and the allowed values."""


class StoreError(IrlError):
    """Report a store that did not answer, answered too late, or answered with an error.

    Args:
        message: What happened, without secrets of the storage URI.
        kind: One of ``timeout``, ``refused``, ``connection``, ``response``, and ``out`` for a part
            of the store that wasn't asked, since it has failed before; a metric label.
        part: The node or the slot of a cluster that failed, while others go on; else empty.
    """

    def __init__(self, message: str, *, kind: str = "connection", part: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.part = part


class ModelError(IrlError):
    """Report a model, or data of one, that is damaged, foreign or of another schema."""


class TrainingRefused(IrlError):
    """Refuse a training, or its model; the message says why."""


class LibraryMissing(TrainingRefused):
    """Refuse a training for want of scikit-learn, which somebody must install."""


class LogError(IrlError):
    """Report an access log that can't be opened or is of no known format."""
