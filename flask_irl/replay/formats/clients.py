"""Say which address of a line is the client's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flask_irl.errors import ConfigurationError
from flask_irl.replay.formats.addresses import is_near

ALLOWED_CLIENTS: Final = (
    "peer, xff, xff:first, xff:last, xff:N, real-ip, the number of a word, or the name of a field"
)
MOSTLY: Final = 0.9
"""Share of requests with an X-Forwarded-For from which a server is taken to be behind a proxy."""

_HOP = re.compile(r"(.+):(first|last|-?[1-9]\d{0,2})")


@dataclass(frozen=True, slots=True)
class ClientFrom:
    """Name the place of the client's address.

    Attributes:
        source: ``peer`` (who connected to the server), ``xff`` (X-Forwarded-For), ``real-ip``
            (X-Real-IP), the number of an address in the line from 1, a field's name, or ``""``
            to guess.
        hop: Place in a list of addresses: from 1, or from -1 at its end; None to take the first
            that isn't private.
        virtual_host: True if the line's first word is a virtual host, whatever it looks like.
    """

    source: str = ""
    hop: int | None = None
    virtual_host: bool = False

    @property
    def word(self) -> int:
        """Give the number of the address in the line, 0 if none is asked for."""
        return int(self.source) if self.source.isdecimal() else 0


def parse_client_from(text: str) -> ClientFrom:
    """Parse the option that says where the client's address is.

    Raises:
        ConfigurationError: It is none of :data:`ALLOWED_CLIENTS`.
    """
    source, hop = text.strip(), None
    if match := _HOP.fullmatch(source):
        source = match[1]
        hop = {"first": 1, "last": -1}.get(match[2]) or int(match[2])
    if (text and not source) or source == "0":
        raise ConfigurationError(f"client_from is {text!r}; allowed are {ALLOWED_CLIENTS}")
    return ClientFrom({"x-forwarded-for": "xff"}.get(source.lower(), source), hop)


def behind_proxy(peers: Sequence[str], forwarded: Sequence[bool]) -> bool:
    """Guess whether the clients are those of X-Forwarded-For and not the server's peers.

    Args:
        peers: Who connected to the server, for each request of a sample.
        forwarded: For each, whether it has an X-Forwarded-For with addresses.
    """
    if not any(forwarded):
        return False
    # Few clients send the header by themselves; a proxy in front adds it always.
    return sum(forwarded) >= MOSTLY * len(forwarded) or all(map(is_near, peers))
