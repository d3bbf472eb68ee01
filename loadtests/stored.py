"""Store the figures of a run as JSON, and read them again."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any


def write(path: Path, figures: Any) -> None:
    """Write the figures of a run to a file."""
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def target(path: str) -> Path:
    """Take the path of a file for the figures, before an hour of work is done for them.

    Raises:
        ArgumentTypeError: There is no folder for it.
    """
    folder = Path(path).parent
    if not folder.is_dir():
        raise ArgumentTypeError(f"there is no folder {folder} for {path}")
    return Path(path)


def read(member: str, path: str) -> dict[str, Any]:
    """Read the figures of an earlier run, which have a member by which their kind is told.

    Raises:
        ArgumentTypeError: The file can't be read, or holds other things.
    """
    try:
        figures = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"{path} can't be read as JSON: {error}") from None
    if not isinstance(figures, dict) or member not in figures:
        raise ArgumentTypeError(f'{path} has no "{member}": it holds no figures of this command')
    return figures
