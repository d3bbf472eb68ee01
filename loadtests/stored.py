"""Store the figures of a run as JSON, and read them again."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any


def write(path: Path, figures: Any) -> None:
    """Write the figures of a run to a file."""
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


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
