"""Tell the tenant of a request by what it was sent to: host, path, or a header of a proxy's."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from flask_irl.config.tenants import check_name
from flask_irl.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TenantName = str | int | UUID | None
TenantFunc = Callable[[], TenantName | Awaitable[TenantName]]
"""Names the tenant of the current request; None or an empty text for none."""
WILD: Final = "*."
HOST: Final = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
HEADER: Final = re.compile(r"[A-Za-z0-9-]+")


class TenantSelector:
    """Tell the tenant of a request by its environment, before Flask has looked at it.

    Attributes:
        kind: The name of the function that makes it, for messages.
        names: All tenants that it may name.
    """

    kind = ""
    names: frozenset[str] = frozenset()

    def of(self, environ: WSGIEnvironment) -> str | None:
        """Name the tenant of a request; None for no tenant. Never raises."""
        raise NotImplementedError


class _ByHost(TenantSelector):
    kind = "tenant_by_host"

    def __init__(self, hosts: Mapping[str, str]) -> None:
        found: dict[str, str] = {}
        for given, name in _checked_items(self.kind, hosts):
            host = _host(given)
            if host in found:
                raise _twice(self.kind, given, found[host], name)
            found[host] = name
        self.names = frozenset(found.values())
        self._exact = {h: n for h, n in found.items() if not h.startswith(WILD)}
        wild = {h.removeprefix("*"): n for h, n in found.items() if h.startswith(WILD)}
        # The longest first.
        self._wild = sorted(wild.items(), key=lambda item: -len(item[0]))

    def of(self, environ: WSGIEnvironment) -> str | None:
        host = (environ.get("HTTP_HOST") or environ.get("SERVER_NAME") or "").lower()
        # As an app reads it that cuts the port off: at the first colon behind the name.
        end = host.find("]") + 1
        host = host[:end] or host.partition(":")[0]
        host = host.removesuffix(".")
        name = self._exact.get(host)
        if name is None and self._wild:
            return next((n for end, n in self._wild if host.endswith(end) and host != end), None)
        return name


class _ByPath(TenantSelector):
    kind = "tenant_by_path"

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        found: dict[str, str] = {}
        for given, name in _checked_items(self.kind, prefixes):
            if not given.startswith("/") or not given.strip("/") or "//" in given:
                raise ConfigurationError(
                    f"{self.kind}: {given!r:.100} is not allowed: give the beginning of a path, "
                    "such as /a/"
                )
            prefix = given.rstrip("/") + "/"
            if prefix in found:
                raise _twice(self.kind, given, found[prefix], name)
            found[prefix] = name
        self.names = frozenset(found.values())
        # A longer one is about a part of what a shorter one is about.
        self._prefixes = sorted(found.items(), key=lambda item: -len(item[0]))

    def of(self, environ: WSGIEnvironment) -> str | None:
        # As Werkzeug matches: however many slashes a path begins with, they are one.
        path = "/" + (environ.get("PATH_INFO") or "").lstrip("/")
        return next((n for p, n in self._prefixes if path.startswith(p) or path == p[:-1]), None)


class _ByHeader(TenantSelector):
    kind = "tenant_by_header"

    def __init__(self, header: str, known: Sequence[str]) -> None:
        if not isinstance(header, str) or not HEADER.fullmatch(header):
            raise ConfigurationError(
                f"{self.kind}: {header!r:.100} is not allowed: give the name of a header"
            )
        if isinstance(known, str) or not isinstance(known, Sequence) or not known:
            raise ConfigurationError(
                f"{self.kind}: known is {known!r:.100}, which is not allowed: give a list of the "
                "tenants that the header may name"
            )
        self.names = frozenset(check_name(self.kind, name) for name in known)
        self._key = "HTTP_" + header.upper().replace("-", "_")
        self._known = {name: name for name in self.names}

    def of(self, environ: WSGIEnvironment) -> str | None:
        return self._known.get(environ.get(self._key, ""))


def tenant_by_host(hosts: Mapping[str, str]) -> TenantSelector:
    """Make a ``tenant_of`` that tells tenants by the host that a request is for.

    Args:
        hosts: Tenants by host, without port; ``*.example.com`` stands for all below, not for
            ``example.com`` itself. A host of its own wins over those with ``*``, and the longest of
            these over the others. Hosts that are not there are of no tenant.

    Raises:
        ConfigurationError: A host or a name isn't allowed, or a host has two tenants.
    """
    return _ByHost(hosts)


def tenant_by_path(prefixes: Mapping[str, str]) -> TenantSelector:
    """Make a ``tenant_of`` that tells tenants by the beginning of the path.

    Args:
        prefixes: Tenants by whole first parts of the path below the app's own place: ``/a/`` has
            ``/a`` and ``/a/b``, not ``/ab``. The longest wins. Other paths are of no tenant.

    Raises:
        ConfigurationError: A prefix or a name isn't allowed, or a prefix has two tenants.
    """
    return _ByPath(prefixes)


def tenant_by_header(header: str, known: Sequence[str]) -> TenantSelector:
    """Make a ``tenant_of`` that tells tenants by a header.

    Anybody can send any header: choose one that your proxy sets, or takes out, of each request.

    Args:
        header: Its name.
        known: The tenants that it may name; a request with another value is of no tenant.

    Raises:
        ConfigurationError: The header or a name isn't allowed.
    """
    return _ByHeader(header, known)


def _checked_items(kind: str, given: object) -> list[tuple[str, str]]:
    if not isinstance(given, Mapping) or not given:
        raise ConfigurationError(
            f"{kind}: {given!r:.100} is not allowed: give a mapping to tenants"
        )
    for key in given:
        if not isinstance(key, str):
            raise ConfigurationError(f"{kind}: {key!r:.100} is not allowed: give a text")
    return [(key, check_name(f"{kind}: {key:.100}", name)) for key, name in given.items()]


def _host(given: str) -> str:
    host = given.lower().removesuffix(".")
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        host = ""
    if not HOST.fullmatch(host):
        raise ConfigurationError(
            f"tenant_by_host: {given!r:.100} is not allowed: give a host without scheme and port, "
            "such as a.example.com, or *.example.com for all below it"
        )
    return host


def _twice(kind: str, key: str, one: str, other: str) -> ConfigurationError:
    return ConfigurationError(
        f"{kind}: {key!r:.100} is given twice, to {one!r} and {other!r}: give each once"
    )
