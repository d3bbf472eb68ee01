"""Find routes for the paths of a log: the app's own rules, else patterns."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, RequestRedirect

OTHER = "<other>"
BAD = "<bad>"
MAX_SEGMENTS = 8

_MAX_PATH = 1_024
_CACHED = 8_192
_LONG_SEGMENT = 24
_ASSETS = frozenset(
    "css js mjs map png jpg jpeg gif svg ico webp avif bmp woff woff2 ttf otf eot"
    " mp3 mp4 webm ogg wav".split()
)
_PLAIN = re.compile(r"[A-Za-z0-9._~@:+!-]+")
_FOLDS = (
    (re.compile(r"[+-]?\d+"), "<int>"),
    (re.compile(r"\d{4}[-_.]\d{1,2}[-_.]\d{1,2}"), "<date>"),
    (re.compile(r"\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE), "<uuid>"),
    # A word such as "facade" is no hash: a hash has a digit or is longer than words are.
    (re.compile(r"(?=.*\d)[0-9a-f]{8,}|[0-9a-f]{16,}", re.IGNORECASE), "<hex>"),
    # The title of a post: three words or more.
    (re.compile(r"[^-.]+(?:-+[^-.]+){2,}-*|[^-_]+(?:[-_]+[^-_]+){4,}[-_]*"), "<slug>"),
    # An identifier: letters and digits take turns.
    (re.compile(r"(?=.{10})(?:[A-Za-z_-]+\d+){3,}[A-Za-z_-]*"), "<token>"),
)


class RouteFolder:
    """Name the route of a request, one of a bounded number whatever the log holds.

    A path that one of the app's rules matches gets that rule, as in service; so does a path that
    the app would redirect (a slash too few or many) or refuse for its method. Any other path is
    folded to a pattern: ``/2015/08/10/some-title-of-a-post/`` to
    ``/<int>/<int>/<int>/<slug>/``, ``/wp-content/themes/x/style.css`` to ``/wp-content/<*.css>``.

    Args:
        url_map: The app's rules; with None all paths are folded.
        max_routes: Maximum number of patterns, at least 2, beside the app's rules. A directory
            gets a tenth of them; further patterns below it fold to ``/<directory>/<other>``, and
            so do all new ones once four fifths are taken. The rest is ``<other>``.

    Raises:
        ValueError: ``max_routes`` is less than 2.
    """

    def __init__(self, url_map: Map | None = None, max_routes: int = 500) -> None:
        if max_routes < 2:
            raise ValueError(f"max_routes is {max_routes}; at least 2 are allowed")
        self._adapter = None if url_map is None else url_map.bind("localhost")
        self._patterns = {OTHER, BAD}
        self._in_directory: Counter[str] = Counter()
        self._most = max_routes
        self._cached = lru_cache(maxsize=_CACHED)(self._find)

    def route(self, method: str, path: str) -> str:
        """Name the rule or pattern of a request.

        Args:
            method: As logged; any text.
            path: Without query, percent-encoded as sent; any text.

        Returns:
            A rule of the app, or a pattern: printable ASCII, at most 250 characters; ``<bad>``
            when the path begins with no slash, as of a request line that did not parse.
        """
        if len(path) > _MAX_PATH:
            return self._find(method[:32], path[:_MAX_PATH])
        # Without rules the method makes no difference, and would only fill the cache.
        return self._cached("" if self._adapter is None else method[:32], path)

    def _find(self, method: str, path: str) -> str:
        if path[:1] != "/":
            return BAD
        path = unquote(path, errors="replace")
        return self._rule(method, path) or self._admit(fold(path))

    def _rule(self, method: str, path: str, tries: int = 3) -> str | None:
        if self._adapter is None or not tries:
            return None
        try:
            return str(self._adapter.match(path, method=method, return_rule=True)[0].rule)
        except RequestRedirect as redirect:
            path = unquote(urlsplit(redirect.new_url).path, errors="replace")
        except MethodNotAllowed as refusal:
            if not refusal.valid_methods:
                return None
            method = min(refusal.valid_methods)
        except HTTPException:
            return None
        except Exception:
            # A converter of the app's own may fail in any way on a foreign path.
            return None
        return self._rule(method, path, tries - 1)

    def _admit(self, pattern: str) -> str:
        if pattern in self._patterns:
            return pattern
        _, directory, *below = pattern.split("/", 2)
        whole = len(self._patterns) < self._most * 4 // 5
        if any(below) and (not whole or self._in_directory[directory] >= self._most // 10):
            pattern = f"/{directory}/{OTHER}"
            whole = len(self._patterns) < self._most
        if pattern not in self._patterns:
            if not whole:
                return OTHER
            self._patterns.add(pattern)
            self._in_directory[directory] += 1
        return pattern


def fold(path: str) -> str:
    """Fold a path to a pattern: numbers, hashes, dates, titles and files become placeholders.

    Args:
        path: Any text, decoded, beginning with a slash.
    """
    segments = re.sub("/{2,}", "/", path)[1:].split("/")
    file = segments[-1]
    stem, dot, ending = file.rpartition(".")
    if dot and stem and ending.lower() in _ASSETS:
        # A site has thousands of assets, and they say little about the client.
        directory = f"/{_fold_segment(segments[0])}" if len(segments) > 1 else ""
        return f"{directory}/<*.{ending.lower()}>"
    names: list[str] = []
    for segment in segments[:MAX_SEGMENTS]:
        name = _fold_segment(segment)
        # A segment with a hyphen after a number or date is a title, however short.
        titled = name == segment and "-" in name and names and names[-1] in ("<int>", "<date>")
        names.append("<slug>" if titled else name)
    if len(segments) > MAX_SEGMENTS:
        names[-1] = OTHER
    elif dot and stem and ending.isascii() and ending.isalnum() and len(ending) <= 5:
        whole = _fold_segment(stem)
        names[-1] = f"{whole}.{ending}" if whole != stem else _fold_segment(file)
    return "/" + "/".join(names)


def _fold_segment(segment: str) -> str:
    if not segment:
        return segment
    for shape, name in _FOLDS:
        if shape.fullmatch(segment):
            return name
    if not _PLAIN.fullmatch(segment):
        return "<str>"
    return segment if len(segment) <= _LONG_SEGMENT else "<slug>"
