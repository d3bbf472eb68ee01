"""Keep the results of a run as they come, so that one that is broken off can go on later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from loadtests.evaluation.job import Task, name_of

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = ("flask_irl", "demo_app", "loadtests")


class Progress:
    """Keep results beside the file that is to have all of them, until it has.

    Results of other code than this aren't taken: the file begins with its digest.

    Args:
        path: The file of the whole; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path and path.with_name(f"{path.name}.partial")
        self._results: dict[str, tuple[str, Any]] = {}
        if self._path is not None:
            self._begin(self._path, _digest())

    def _begin(self, path: Path, digest: str) -> None:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        if lines[:1] == [digest]:
            for line in lines[1:]:
                try:
                    name, part, result = json.loads(line)
                except ValueError:
                    # It was broken off while it wrote.
                    continue
                self._results[name] = (part, result)
            lines = [digest, *(_line(name, *kept) for name, kept in self._results.items())]
        else:
            lines = [digest]
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")

    def kept(self, tasks: Sequence[Task]) -> tuple[list[tuple[str, Any]], list[Task]]:
        """Tell the results, by part, of those tasks that are done, and the tasks that aren't."""
        done = [self._results[name] for name in map(name_of, tasks) if name in self._results]
        return done, [task for task in tasks if name_of(task) not in self._results]

    def add(self, name: str, part: str, result: Any) -> None:
        """Keep the result of a task."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(name, part, result) + "\n")

    def end(self) -> None:
        """Forget the results: they are kept as a whole now."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _line(name: str, part: str, result: Any) -> str:
    return json.dumps([name, part, result])


def _digest() -> str:
    """Give a digest of the code that results depend on."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
