"""Describe an operator's override of a whole network, as the store keeps it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from flask_irl.errors import ConfigurationError
from flask_irl.limits.override import Override
from flask_irl.stored import read_json


@dataclass(frozen=True, slots=True)
class NetworkOverride:
    """Describe an operator's override of all clients of a network, for a time.

    Args:
        network: The network, in its usual form.
        override: The override; a limit is one for all of the network's clients together.
        reason: The operator's reason; may be empty.
        who: The operator.
    """

    network: str
    override: Override
    reason: str
    who: str

    def encode(self) -> bytes:
        """Encode all but the network for the store."""
        override = self.override
        return json.dumps(
            {
                "kind": override.kind,
                "until": override.until,
                "amount": override.amount,
                "reason": self.reason,
                "who": self.who,
            }
        ).encode()


def decode(network: str, data: bytes) -> NetworkOverride:
    """Decode an override of a network; members that are not known are ignored.

    Raises:
        ConfigurationError: The bytes are no such override.
    """
    try:
        members = read_json(data)
        until, reason, who = float(members["until"]), members["reason"], members["who"]
        override = Override(members["kind"], until, members["amount"])
        if not (math.isfinite(until) and isinstance(reason, str) and isinstance(who, str)):
            raise ValueError("a member is not allowed")
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ConfigurationError(f"the override of {network} can't be read: {error}") from None
    return NetworkOverride(network, override, reason, who)
