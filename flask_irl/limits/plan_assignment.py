"""Describe the rate plan that an operator assigns a client, as the store keeps it."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from flask_irl.errors import ConfigurationError
from flask_irl.stored import read_json


class PlanAssignment(NamedTuple):
    """Hold the rate plan that an operator has assigned a client, for a time.

    Attributes:
        plan: Name of the plan.
        until: End, in seconds since the epoch.
        reason: The operator's reason; may be empty.
        who: The operator.
    """

    plan: str
    until: float
    reason: str = ""
    who: str = ""

    def encode(self) -> bytes:
        """Encode it for the store."""
        return json.dumps(self._asdict()).encode()


def decode(client: str, data: bytes) -> PlanAssignment:
    """Decode an assignment; members that are not known are ignored.

    Raises:
        ConfigurationError: The bytes are no assignment.
    """
    try:
        members = read_json(data)
        until = float(members["until"])
        texts = [members[name] for name in ("plan", "reason", "who")]
        if not (math.isfinite(until) and all(isinstance(text, str) for text in texts)):
            raise ValueError("a member is not allowed")
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ConfigurationError(f"the plan of {client} can't be read: {error}") from None
    plan, reason, who = texts
    return PlanAssignment(plan, until, reason, who)
