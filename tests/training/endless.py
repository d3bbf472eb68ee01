"""Make trainings of an app's processes endless, without a change to them."""

from __future__ import annotations

from pathlib import Path

SCIKIT_LEARN = """
import os
import time

parent = os.getppid()
while os.getppid() == parent:
    time.sleep(0.1)
raise SystemExit
"""


def make_trainings_endless(folder: Path) -> None:
    """Put a scikit-learn on the path whose import lasts as long as the parent of the child lives.

    Args:
        folder: Folder in which the app lies; only the child processes of trainings import
            scikit-learn.
    """
    package = folder / "sklearn"
    package.mkdir()
    (package / "__init__.py").write_text(SCIKIT_LEARN)
