"""Open a MaxMind DB file, so that no later change of it can harm this process."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from flask_irl.errors import ConfigurationError

if TYPE_CHECKING:
    from maxminddb import Reader

MAX_REASON: Final = 200
CHUNK: Final = 1 << 20

Stamp = tuple[int, int, int, int]
"""Device, inode, size and time of the last change of a file."""


class OpenedFile(NamedTuple):
    """Hold an open file.

    Attributes:
        reader: Finds the records of addresses.
        kind: The kind of its records, as the file calls it.
        built: Time at which it was made, in seconds since the epoch.
        has_ipv6: Whether it has addresses of IPv6.
    """

    reader: Reader
    kind: str
    built: int
    has_ipv6: bool


class UnreadableFileError(Exception):
    """Report that a file can't be opened, or is no MaxMind DB file."""


def check_library(option: str) -> None:
    """Check that the library is there.

    Args:
        option: Name of the option that needs it.

    Raises:
        ConfigurationError: It isn't installed.
    """
    try:
        import maxminddb  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"{option} is given, and is read by maxminddb, which is not installed: "
            'pip install "flask-irl[countries]"'
        ) from error


def stamp_of(path: str) -> Stamp | None:
    """Tell one state of a file from others; None where there is no file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def open_file(path: str) -> OpenedFile:
    """Open a file.

    Raises:
        UnreadableFileError: It can't be read, or is no MaxMind DB file.
    """
    try:
        # One of another kind, such as a pipe, might never end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnreadableFileError("it is no file")
        with open(path, "rb") as file:
            reader = _open(file)
        described = reader.metadata()
        return OpenedFile(
            reader,
            str(described.database_type),
            int(described.build_epoch),
            described.ip_version == 6,
        )
    except UnreadableFileError:
        raise
    except (OSError, ValueError) as error:
        # The latter of a path that no file can have.
        reason = getattr(error, "strerror", None) or str(error)[:MAX_REASON]
        raise UnreadableFileError(reason) from error
    except Exception as error:
        # A damaged one can make the library raise anything.
        raise UnreadableFileError("it is no whole MaxMind DB file") from error


def _open(file: BinaryIO) -> Reader:
    """Open a copy that nobody else can change, unlinked as soon as it is mapped.

    Who maps a file that is then overwritten in place, and not replaced, ends by a signal. So does,
    at a damaged record, the library's extension in C (maxminddb 3.2.0): it is read in Python.
    """
    import maxminddb

    with contextlib.ExitStack() as ending:
        try:
            copy = ending.enter_context(tempfile.NamedTemporaryFile(prefix="flask_irl-"))
            shutil.copyfileobj(file, copy, CHUNK)
            copy.flush()
        except OSError:
            # Nowhere to write: all of it is in this process's own memory then.
            file.seek(0)
            return maxminddb.open_database(file, maxminddb.MODE_FD)
        return maxminddb.open_database(copy.name, maxminddb.MODE_MMAP)
