"""Read the text of a log file, plain or gzip, in lists of lines."""

from __future__ import annotations

import codecs
import os
import stat
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO, Final

from flask_irl.errors import LogError
from flask_irl.replay.formats.lines import MAX_LINE
from flask_irl.replay.text import printable

CHUNK_BYTES: Final = 65_536
ALLOWED: Final = (
    "Common or Combined Log Format, JSON lines, HAProxy's, W3C's, AWS's or a Python server's"
    " format, or CSV with a header naming ts,client,method,path,status[,bytes,ua_class,label];"
    " plain or gzip"
)

_FOREIGN = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


class LogSource:
    """Read a log file as text.

    Args:
        path: A regular file.
        chunk_bytes: Bytes that are read at once, 1 or more.

    Attributes:
        size: The file's size in bytes, as stored (compressed).
        position: Bytes read so far.
        problem: Reason why the text may be incomplete; ``""`` if there is none.

    Raises:
        LogError: There is no such file, or it is no regular file or empty.
    """

    def __init__(self, path: str | os.PathLike[str], chunk_bytes: int = CHUNK_BYTES) -> None:
        self.path = os.fspath(path)
        self._chunk_bytes = chunk_bytes
        self.rewind()

    def rewind(self) -> None:
        """Begin anew.

        Raises:
            LogError: The file is gone or empty.
        """
        self.size = self._size()
        self.position = 0
        self.problem = ""
        self._magic = b""

    def error(self, reason: str) -> LogError:
        """Make an error about this file."""
        return LogError(
            f"{printable(self.path, 1000)}: {reason}; an access log is needed: {ALLOWED}"
        )

    def note(self, problem: str) -> None:
        """Add a reason why the text may be incomplete or mislead."""
        self.problem = f"{self.problem}; {problem}" if self.problem else problem

    def foreign(self) -> str:
        """Name the kind of file that this is instead of a text; ``""`` if it isn't known."""
        return next((kind for magic, kind in _FOREIGN.items() if self._magic.startswith(magic)), "")

    def blocks(self) -> Generator[list[str], None, None]:
        """Decode the text in lists of lines; of an overlong line, only an overlong start.

        Raises:
            LogError: The file can't be read at all.
        """
        decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        rest = ""
        for data in self._plain():
            lines = decode(data).split("\n")
            if len(rest) <= MAX_LINE:
                lines[0] = rest + lines[0]
            elif len(lines) > 1:
                lines[0] = rest
            else:
                continue
            rest = lines.pop()
            yield [line[:-1] if line[-1:] == "\r" else line for line in lines]
        rest += decode(b"", True) if len(rest) <= MAX_LINE else ""
        yield [rest.removesuffix("\r")]

    def _size(self) -> int:
        try:
            status = os.stat(self.path)
        except (OSError, ValueError) as error:
            raise self.error(getattr(error, "strerror", None) or str(error)) from None
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise self.error(f"is {kind}")
        if not status.st_size:
            raise self.error("is empty")
        return status.st_size

    def _plain(self) -> Iterator[bytes]:
        try:
            with open(self.path, "rb") as raw:
                self._magic = raw.peek(4)[:4]
                chunks = self._chunks(raw)
                zipped = self._magic.startswith(b"\x1f\x8b")
                yield from _inflate(chunks, self.note, self._chunk_bytes) if zipped else chunks
        except OSError as error:
            if not self.position:
                raise self.error(error.strerror or str(error)) from None
            self.note(f"reading stopped after {self.position} bytes: {error.strerror}")

    def _chunks(self, raw: BinaryIO) -> Iterator[bytes]:
        self.position = 0
        while chunk := raw.read(self._chunk_bytes):
            self.position += len(chunk)
            yield chunk


def _inflate(
    chunks: Iterator[bytes], note: Callable[[str], None], chunk_bytes: int
) -> Iterator[bytes]:
    # zlib rather than gzip, which throws its buffer away when the file is cut off.
    inflate = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            while chunk:
                if inflate.eof:  # another member may follow, or padding
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    inflate = zlib.decompressobj(wbits=31)
                yield inflate.decompress(chunk, chunk_bytes)
                chunk = inflate.unconsumed_tail or inflate.unused_data
        yield inflate.flush()
    except zlib.error as error:
        note(f"the gzip file is damaged ({error})")
    else:
        if not inflate.eof:
            note("the gzip file is cut off")
