"""Drop the body of a refused request, so that its refusal arrives.

A server that has answered a request without reading all of it resets the connection. A proxy that
is still sending takes that for a failure: its client gets a 502 instead of the 429, and nginx
sends nobody to that server for the next ten seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_BYTES: Final = 16 * 1024 * 1024
"""Longest body that is read, unless the app's ``MAX_CONTENT_LENGTH`` allows longer ones."""
MOST_SECONDS: Final = 2.0
PIECE: Final = 1024 * 1024
SMALL_PIECE: Final = 8 * 1024
"""Bytes read at once where a read may wait for all of them, however slowly they come."""
UNBOUNDED: Final = frozenset({"granian", "a2wsgi"})
"""Packages whose inputs wait for a client as long as it likes, and may be read by any thread."""
INVITED: Final = ("gunicorn.socket", "werkzeug.socket")
"""Keys of servers that have told a client to go on (``Expect``) before they call the app."""


class BodyDrain:
    """Read and drop what refused requests still have to send; bounded in bytes and in time.

    Args:
        config: The app's; its ``MAX_CONTENT_LENGTH`` counts when it is more than 16 MiB.
        failed: Takes an error of this package's own, with the place's name.
        clock: Seconds, of any origin.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        failed: Callable[[str, BaseException], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._failed = failed
        self._clock = clock

    def drop(self, environ: WSGIEnvironment) -> None:
        """Read and drop the rest of a request's body, if it has one; never raises."""
        try:
            left = self._left(environ)
            if left:
                self._read(environ, left)
        except Exception as error:
            self._failed("body", error)

    def _left(self, environ: WSGIEnvironment) -> int:
        """Give the most bytes to read; 0 where there is no body, or no use in reading it."""
        if "HTTP_EXPECT" in environ and not any(key in environ for key in INVITED):
            # To read it is to ask for it; without, the client sends nothing but reads its answer.
            return 0
        most = max(MOST_BYTES, self._config.get("MAX_CONTENT_LENGTH") or 0)
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        length = _length(environ)
        if length is not None and not chunked:
            # Of a longer one the rest would be left, and the connection reset all the same.
            return length if length <= most else 0
        if not environ.get("wsgi.input_terminated"):
            return 0
        # HTTP/2 has bodies of unknown length without a header that says so.
        bodiless = environ.get("REQUEST_METHOD") in ("GET", "HEAD") and not chunked
        return 0 if bodiless else most

    def _read(self, environ: WSGIEnvironment, left: int) -> None:
        ends = self._clock() + MOST_SECONDS
        stream = _stream(environ)
        if stream is None:
            return
        if type(stream).__module__.partition(".")[0] in UNBOUNDED:
            # The thread ends with the answer, if not before.
            work = partial(self._take, stream.read, SMALL_PIECE, left, ends)
            reader = threading.Thread(target=work, name="irl-body", daemon=True)
            reader.start()
            reader.join(ends - self._clock())
            return
        with _impatient(environ, ends, self._clock) as bounded:
            # Where there is one, it reads what has come, and doesn't wait for more.
            read = getattr(stream, "read1", None)
            size = PIECE if bounded or read else SMALL_PIECE
            self._take(read or stream.read, size, left, ends)

    def _take(self, read: Callable[[int], Any], size: int, left: int, ends: float) -> None:
        while left > 0 and self._clock() < ends:
            try:
                piece = read(min(left, size))
            except Exception:
                # The client hung up, or is too slow, or sent nonsense; the answer goes out.
                return
            if not piece:
                return
            left -= len(piece)


class DeadlineSocket:
    """Receive from a socket until a deadline, for gunicorn's reader of a request.

    Its reads wait for all the bytes asked for. So a client that sends one now and then would
    never let it return, if only the wait for each were bounded.

    Args:
        sock: The socket.
        ends: The deadline, by the clock.
        clock: Seconds, of any origin.
    """

    def __init__(self, sock: Any, ends: float, clock: Callable[[], float]) -> None:
        self._sock = sock
        self._ends = ends
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> Any:
        """Receive what has come, or wait for it; raises TimeoutError at the deadline."""
        seconds = self._ends - self._clock()
        if seconds <= 0:
            raise TimeoutError
        before = self._sock.gettimeout()
        self._sock.settimeout(seconds)
        try:
            return self._sock.recv(size)
        finally:
            self._sock.settimeout(before)


@contextmanager
def _impatient(environ: WSGIEnvironment, ends: float, clock: Callable[[], float]) -> Iterator[bool]:
    """Bound the waits for a client, where its server lets one; tells whether they are exact."""
    reader = getattr(environ.get("wsgi.input"), "reader", None)
    # A reader of chunks has it by its request.
    unreader = getattr(reader, "unreader", getattr(getattr(reader, "req", None), "unreader", None))
    sock = getattr(unreader, "sock", None)
    if unreader is not None and sock is not None:
        unreader.sock = DeadlineSocket(sock, ends, clock)
        try:
            yield True
        finally:
            unreader.sock = sock
        return
    sock = next((environ[key] for key in INVITED if key in environ), None)
    if sock is None:
        # Its server's own timeouts hold.
        yield False
        return
    before = sock.gettimeout()
    sock.settimeout(MOST_SECONDS)
    try:
        yield False
    finally:
        sock.settimeout(before)


def _length(environ: WSGIEnvironment) -> int | None:
    """Read the length that a request declares; None where it declares none."""
    text = environ.get("CONTENT_LENGTH") or ""
    # No honest length has twenty digits, and Python reads no more than 4,300.
    return int(text[:20]) if text.isascii() and text.isdecimal() else None


def _stream(environ: WSGIEnvironment) -> Any:
    """Give the stream to read: that of Flask's request if it knows how much has been read."""
    if not environ.get("wsgi.input_terminated"):
        request = environ.get("werkzeug.request")
        if request is not None and "stream" in vars(request):
            return request.stream
    return environ.get("wsgi.input")
