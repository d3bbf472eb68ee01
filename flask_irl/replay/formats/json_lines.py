"""Parse logs of a JSON object a line: nginx, Caddy, Traefik, Cloudflare, Google Cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flask_irl.replay.formats import json_fields as names
from flask_irl.replay.formats.addresses import NO_ADDRESS, addresses, is_host, pick
from flask_irl.replay.formats.clients import ClientFrom, behind_proxy
from flask_irl.replay.formats.entry import LogEntry, agent_class, make_entry
from flask_irl.replay.formats.lines import Lines
from flask_irl.replay.formats.requests import read_request, read_target
from flask_irl.replay.formats.times import moment_of

_Path = tuple[str, ...]


class JsonFormat:
    """Read a log of JSON lines, its fields found by their names.

    Args:
        sample: Lines of the log.
        client: Where the client's address is; a field's name may be dotted.

    Attributes:
        kind: ``json``.
        words: Where the client's address is, for people.

    Raises:
        ValueError: There are no such fields.
    """

    kind = "json"

    def __init__(self, sample: Sequence[str], client: ClientFrom) -> None:
        objects = [found for line in sample if (found := names.load_object(line)) is not None]
        known: dict[str, str] = {}
        for found in objects:
            for name, path in names.flatten(found).items():
                known.setdefault(name, path)

        def paths(candidates: Iterable[str]) -> tuple[_Path, ...]:
            return tuple(tuple(known[name].split("\0")) for name in candidates if name in known)

        self._hop = client.hop
        self._method, self._target = paths(names.METHOD), paths(names.TARGET)
        self._line, self._status = paths(names.LINE), paths(names.STATUS)
        self._size, self._time, self._agent = map(paths, (names.SIZE, names.TIME, names.AGENT))
        self._origin = paths(names.ORIGIN)
        self._peer = paths(names.CLIENT)
        needed = {"method": self._method + self._line, "status": self._status}
        missing = [name for name, found in needed.items() if not found]
        if missing or not objects:
            raise ValueError(f"its objects name no field for {', '.join(missing) or 'anything'}")
        self._client = self._choose(client, paths, objects)
        self.words = "; else ".join(".".join(path) for path in self._client[:2])
        if not self._client:
            raise ValueError("its objects name no field for the client")

    def _choose(
        self,
        client: ClientFrom,
        paths: Callable[[Iterable[str]], tuple[_Path, ...]],
        objects: list[dict[str, object]],
    ) -> tuple[_Path, ...]:
        source = client.source.lower()
        forwarded = paths(names.FORWARDED)
        if source == "xff":
            chosen = forwarded
        elif source == "real-ip":
            chosen = paths(names.REAL_IP)
        elif source in ("", "peer"):
            served = [found for found in objects if _first(found, self._method or self._line)]
            peers = [_text(_first(found, self._peer)) for found in served]
            has = [bool(addresses(_text(_first(found, forwarded)))) for found in served]
            chosen = forwarded if not source and behind_proxy(peers, has) else ()
            return (*chosen, *self._peer)
        else:
            chosen = paths([source])
        if not chosen:
            raise ValueError(f"its objects have no field for {client.source!r}")
        return (*chosen, *self._peer)

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line.

        Raises:
            ValueError: It is no such object; says why.
        """
        found = names.load_object(line)
        if found is None:
            raise ValueError("no JSON object")
        status = _text(_first(found, self._status))
        if not status:
            raise ValueError("the object has no status")
        ts = self._when(found, lines)
        client = self._name(found)
        if self._origin and _first(found, self._origin) == 0:
            return None
        target = _first(found, self._target)
        method = _first(found, self._method)
        if isinstance(method, str) and isinstance(target, str):
            method, path = read_target(method, target)
        else:
            method, path = read_request(_text(_first(found, self._line)))
        agent = _first(found, self._agent)
        kind = agent_class(_text(agent)) if self._agent else ""
        return make_entry(ts, client, method, path, status, _text(_first(found, self._size)), kind)

    def _when(self, found: dict[str, object], lines: Lines) -> float:
        for path in self._time:
            try:
                return moment_of(_at(found, path))
            except ValueError:
                continue
        if lines.moment is None:
            raise ValueError("the object has no time")
        return lines.moment

    def _name(self, found: dict[str, object]) -> str:
        for path in self._client:
            text = _text(_at(found, path))
            if hops := addresses(text):
                return pick(hops, self._hop)
            if text in NO_ADDRESS or is_host(text):
                return text
        raise ValueError("the object has no address of a client")


def _at(found: dict[str, object], path: _Path) -> object:
    value: object = found
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _first(found: dict[str, object], paths: tuple[_Path, ...]) -> object:
    for path in paths:
        value = _at(found, path)
        if value is not None and not isinstance(value, dict):
            return value
    return None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
