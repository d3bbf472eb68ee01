"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from typing import Final

from flask_irl.errors import IrlError
from flask_irl.replay.text import printable

STANDARD_STREAMS: Final = (1, 2)
"""Descriptors of standard output and error."""


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

    What is no file of its own, such as a terminal or pipe, gets the content behind what it has; so
    does the file that standard output or error goes to.

    Raises:
        ReportError: The file can't be written; the old one is still there.
    """
    try:
        target, in_place = _target(path)
        if in_place:
            _append(target, content)
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


def _append(target: str, content: bytes) -> None:
    stream = _standard_stream(os.stat(target))
    if stream is None:
        with open(target, "ab") as device:
            device.write(content)
        return
    # By the same descriptor, whose position all that is printed shares.
    for printed in (sys.stdout, sys.stderr):
        printed.flush()
    with open(os.dup(stream), "wb") as file:
        file.write(content)


def _standard_stream(status: os.stat_result) -> int | None:
    for stream in STANDARD_STREAMS:
        with contextlib.suppress(OSError):
            if os.path.samestat(status, os.fstat(stream)):
                return stream
    return None


def _target(path: str | os.PathLike[str]) -> tuple[str, bool]:
    """Resolve a path, and tell whether to write in place: no file replaces a terminal or pipe."""
    name = os.path.abspath(path)
    try:
        status = os.stat(name)
    except FileNotFoundError:
        return os.path.realpath(name), False
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(21, "Is a directory")
    own = stat.S_ISREG(status.st_mode) and not name.startswith(("/dev/", "/proc/"))
    if not own or _standard_stream(status) is not None:
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
