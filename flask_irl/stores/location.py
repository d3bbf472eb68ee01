"""Read storage URIs into the addresses of Redis servers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from flask_irl.errors import ConfigurationError

ALLOWED = (
    "memory://, redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://"
    "<host>:<port>[,<host>:<port>]/<master name> (valkey for redis, too)"
)
VALKEY = re.compile(r"^valkey(s?)(?=[:+])")
"""Begins a URI of Valkey, which speaks Redis's protocol."""
ONE_STEP = "can't decide on all of a request's limits in one step"
OTHERS = {
    "memcached": f"Memcached {ONE_STEP}, and forgets counts when it is full",
    "mongodb": f"MongoDB {ONE_STEP} and in a few milliseconds",
    "etcd": f"etcd {ONE_STEP} and in a few milliseconds",
    "async": "Flask's threads can't ask an asynchronous storage",
}
"""Storages of other limiters by the beginnings of their schemes, and why there are none here."""
INSTEAD = "take redis:// or valkey://, of which one small server does, or memory://"
Kind = Literal["memory", "single", "cluster", "sentinel"]
Transport = Literal["tcp", "tls", "unix"]
"""Way to a server; a Unix socket's is without TLS."""
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Location:
    """Describe the place of a store, read from a storage URI.

    Args:
        kind: Memory, one server, a cluster, or a master watched by Sentinel.
        hosts: The server; the cluster's nodes or the Sentinels that name the servers.
        master: Sentinel's name of the master; else empty.
        connect: Options of its connections, as redis-py's have, without host and port.
        transport: How it is reached.
    """

    kind: Kind
    hosts: tuple[Address, ...] = ()
    master: str = ""
    connect: Mapping[str, Any] = field(default_factory=dict, repr=False)
    transport: Transport = "tcp"

    @property
    def address(self) -> str:
        """Give the address without user, password and options, for people."""
        if self.transport == "unix":
            return f"unix://{self.connect['path']}"
        if not self.hosts:
            return "memory://"
        scheme = "rediss" if self.transport == "tls" else "redis"
        if self.kind != "single":
            scheme += f"+{self.kind}"
        hosts = ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts
        )
        places = [self.master] if self.master else []
        if self.kind != "cluster":
            places.append(str(self.connect.get("db") or 0))
        return "/".join([f"{scheme}://{hosts}", *places])


def mask_password(uri: str) -> str:
    """Hide the password of a URI, for messages and logs."""
    # Up to the last @: a password may hold anything, quoted as a URI wants it or not.
    uri = re.sub(r"(password=)[^&]*", r"\1***", uri)
    return re.sub(r"^([^:]*://)?([^:@]*):.*@", r"\1\2:***@", uri, flags=re.DOTALL)


def locate(uri: str) -> Location:
    """Read a storage URI; one of Valkey is read as Redis's.

    Raises:
        ConfigurationError: The URI is not allowed; the message quotes it without the password.
    """
    uri = VALKEY.sub(r"redis\1", uri)
    other = OTHERS.get(re.split(r"[+:]", uri, maxsplit=1)[0])
    if other is not None:
        raise ConfigurationError(
            f"storage_uri {mask_password(uri)!r} is not allowed: {other}; {INSTEAD}"
        )
    try:
        return _locate(uri)
    except ConfigurationError:
        raise
    except ValueError as error:
        # An @ behind the first / ? or # means that the password holds such a sign: the reason
        # would quote the rest of the password.
        rest = re.split("[/?#]", uri.partition("://")[2], maxsplit=1)[1:]
        reason = error if "@" not in "".join(rest) else "a password's / ? # @ : are written %XX"
        raise ConfigurationError(
            f"storage_uri {mask_password(uri)!r} can't be read ({reason}): give {ALLOWED}"
        ) from None


def _locate(uri: str) -> Location:
    scheme, separator, rest = uri.partition("://")
    if not separator:
        raise ValueError("it has no scheme")
    if scheme == "memory":
        if rest.strip("/"):
            raise ValueError("memory:// has no host, port or path")
        return Location("memory")
    if scheme in ("redis+unix", "unix"):
        connect = _parse(f"unix://{rest}")
        if "path" not in connect:
            raise ValueError("it names no socket")
        return Location("single", (), "", connect, "unix")
    if scheme in ("redis", "rediss"):
        connect = _parse(uri)
        host, port = connect.pop("host", "localhost"), connect.pop("port", 6379)
        path = urlsplit(uri).path.strip("/")
        if path and not path.isdigit():
            raise ValueError(f"database {path!r} is not a number")
        return Location("single", ((host, port),), "", connect, _transport(scheme))
    if scheme in ("redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"):
        return _locate_hosts(scheme, uri)
    raise ValueError(f"scheme {scheme!r} is not known")


def _locate_hosts(scheme: str, uri: str) -> Location:
    # urlsplit knows a single host only: take the user and the list of hosts apart here.
    parts = urlsplit(uri)
    user, _, hosts = parts.netloc.rpartition("@")
    username, _, password = user.partition(":")
    connect: dict[str, Any] = {}
    if username:
        connect["username"] = unquote(username)
    if password:
        connect["password"] = unquote(password)
    connect.update(_parse(f"redis://?{parts.query}"))
    sentinel = scheme.endswith("sentinel")
    default = 26379 if sentinel else 6379
    addresses = tuple(_parse_host(part, default) for part in hosts.split(",") if part)
    if not addresses:
        raise ValueError("it names no host")
    path = [part for part in parts.path.split("/") if part]
    if sentinel:
        if not path:
            raise ValueError("it names no master")
        if len(path) > 1:
            if not path[1].isdigit():
                raise ValueError(f"database {path[1]!r} is not a number")
            connect["db"] = int(path[1])
    elif (path and path != ["0"]) or connect.get("db"):
        raise ValueError("a cluster has no databases")
    kind: Kind = "sentinel" if sentinel else "cluster"
    return Location(kind, addresses, path[0] if sentinel else "", connect, _transport(scheme))


def _transport(scheme: str) -> Transport:
    return "tls" if scheme.startswith("rediss") else "tcp"


def _parse(url: str) -> dict[str, Any]:
    """Read the URL of one server into keyword arguments, as redis-py does.

    Raises:
        ValueError: It can't be read.
    """
    parts = urlsplit(url)
    if parts.query:
        # It alone knows the types of all options, and takes long to load.
        from redis.connection import parse_url

        found = dict(parse_url(url))
        found.pop("connection_class", None)
        return found
    path = unquote(parts.path)
    database = path.replace("/", "")
    given = {
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "path": path if parts.scheme == "unix" else "",
        "host": "" if parts.scheme == "unix" else unquote(parts.hostname or ""),
        # A 0 counts as none.
        "port": None if parts.scheme == "unix" else parts.port or None,
        "db": int(database) if parts.scheme != "unix" and database.isdecimal() else None,
    }
    return {name: value for name, value in given.items() if value not in ("", None)}


def _parse_host(text: str, default: int) -> Address:
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::(\d{1,5}))?", text)
    if match is None:
        raise ValueError(f"host {text!r} is not <host>:<port>")
    port = int(match[2] or default)
    if not 0 < port < 65536:
        raise ValueError(f"port {port} is not from 1 to 65535")
    return match[1].strip("[]"), port
