"""Tell a training process's own refusals from its failures, by its exit status."""

from __future__ import annotations

from typing import Final

from flask_irl.errors import LibraryMissing, TrainingRefused

REFUSED: Final = 3
"""Exit status of a training process that refuses, with the reason as its last line on stderr."""
LIBRARY_MISSING: Final = 4
"""Exit status of one that refuses for want of scikit-learn."""


def refusal_of(status: int, ending: str, last_line: str) -> TrainingRefused:
    """Make the refusal that a training process ended with.

    Args:
        status: Its exit status, not 0.
        ending: Its ending in words.
        last_line: The last line that it wrote on stderr.
    """
    if status == LIBRARY_MISSING:
        return LibraryMissing(last_line)
    if status == REFUSED:
        return TrainingRefused(last_line)
    return TrainingRefused(f"the training process failed ({ending}): {last_line}")
