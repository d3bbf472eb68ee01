"""Read request lines: methods and paths, servers' escapes taken back."""

from __future__ import annotations

import re
import string
from contextlib import suppress
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from flask_irl.replay.formats.entry import MAX_PATH

QUOTED: Final = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
"""Matches a quoted field in which the server escapes quotes."""

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}://[^/?]*")
_BARE_PROTOCOL = re.compile(r" [123](?:\.\d)?$")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_ESCAPE = re.compile(r'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')
_HAPROXY_ESCAPE = re.compile(r"#([0-9A-F]{2})()")
_SAFE = string.printable.strip()
_CACHED = 512


def read_request(line: str) -> tuple[str, str]:
    """Read method and path of a request line; ``BAD`` and ``-`` if it is none.

    Bytes that a server has escaped (``\\xC3``, ``\\"``) are as the client may send them: printable
    ones plain, others percent-encoded. So are characters outside ASCII.
    """
    return _cached(line) if len(line) < _CACHED else _read(line)


def unescape_haproxy(line: str) -> str:
    """Take back HAProxy's escapes in a request line: bytes as ``#22``."""
    method, space, target = line.partition(" ")
    return method + space + _HAPROXY_ESCAPE.sub(_unescaped, target)


def has_bare_protocol(line: str) -> bool:
    """Tell whether a request line ends in a version without ``HTTP/``, as hypercorn writes it."""
    return _BARE_PROTOCOL.search(line) is not None


def read_target(method: str, target: str) -> tuple[str, str]:
    """Read method and path from a method and target that stand apart."""
    if method not in _METHODS and not _TOKEN.fullmatch(method):
        return "BAD", "-"
    if target[:1] == "/" or target == "*" or method == "CONNECT" or _ABSOLUTE.match(target):
        return method, clean_path(target)
    return "BAD", "-"


def bare_path(target: str) -> str:
    """Take host and query off a target, and cut it; ``-`` if there is nothing."""
    if target[:1] != "/" and (host := _ABSOLUTE.match(target)):
        target = target[host.end() :] or "/"
    return target.partition("?")[0][:MAX_PATH] or ("/" if target else "-")


def clean_path(target: str) -> str:
    """Take host and query off a target, cut it, and percent-encode what is outside ASCII."""
    path = bare_path(target)
    if path.isascii():
        return path
    # Some servers write each byte of UTF-8 as a character of its own.
    with suppress(UnicodeError):
        path = path.encode("latin-1").decode()
    return quote(path, safe=_SAFE, errors="replace")[:MAX_PATH]


def is_method(method: str) -> bool:
    """Tell whether a text can be an HTTP method."""
    return method in _METHODS or _TOKEN.fullmatch(method) is not None


def _read(line: str) -> tuple[str, str]:
    if "\x1b" in line:  # werkzeug's colours
        line = _COLOUR.sub("", line)
    method, _, target = line.partition(" ")
    if "\\" in target:
        target = _ESCAPE.sub(_unescaped, target)
    start, protocol, _ = target.rpartition(" HTTP/")
    if not protocol:
        start = _BARE_PROTOCOL.sub("", target)
    return read_target(method, start.strip())


def _unescaped(match: re.Match[str]) -> str:
    code, character = match.groups()
    if not code:
        return character
    character = chr(int(code, 16))
    return character if "!" <= character <= "~" else f"%{code.upper()}"


_cached = lru_cache(maxsize=8_192)(_read)
