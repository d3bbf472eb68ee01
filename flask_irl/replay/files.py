"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat

from flask_irl.errors import IrlError
from flask_irl.replay.formats import printable


class ReportError(IrlError):
    """Report that a report or plot can't be made or written."""


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check before a long replay that its result can be written.

    Raises:
        ReportError: The file can't be written; the message names the path and the reason.
    """
    try:
        target, in_place = _target(path)
        if in_place:
            if not os.access(target, os.W_OK):
                raise PermissionError(13, "Permission denied")
            return
        probe = _beside(target)
        with open(probe, "xb"):
            pass
        os.unlink(probe)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that nobody ever sees half of it.

    Raises:
        ReportError: The file can't be written; the old one is still there.
    """
    try:
        target, in_place = _target(path)
        if in_place:
            with open(target, "wb") as device:
                device.write(content)
            return
        beside = _beside(target)
        try:
            with open(beside, "xb") as file:
                file.write(content)
            os.replace(beside, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None


def _target(path: str | os.PathLike[str]) -> tuple[str, bool]:
    """Resolve a path, and tell whether to write in place: no file replaces a terminal or pipe."""
    name = os.path.abspath(path)
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        return os.path.realpath(name), False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Is a directory")
    if not stat.S_ISREG(mode) or name.startswith(("/dev/", "/proc/")):
        return name, True
    return os.path.realpath(name), False


def _beside(target: str) -> str:
    return os.path.join(os.path.dirname(target), f".irl-{secrets.token_hex(8)}.tmp")


def _unwritable(path: str | os.PathLike[str], error: Exception) -> ReportError:
    reason = getattr(error, "strerror", None) or str(error)
    return ReportError(
        f"{printable(os.fspath(path), 1000)}: can't be written: {reason};"
        " a file in an existing, writable folder is needed"
    )
