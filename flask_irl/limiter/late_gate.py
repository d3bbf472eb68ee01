"""Hold back newcomers' logins, by a part that is loaded with the first look for campaigns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask_irl.limits.decision import Decision

if TYPE_CHECKING:
    from flask_irl.limiter.campaign_gate import CampaignGate


class LateGate:
    """Stand for a :class:`~flask_irl.limiter.campaign_gate.CampaignGate` on requests' way.

    Args:
        gate: Gives the gate; may take long.

    Attributes:
        check: The gate's; None while no login is under a campaign.
    """

    def __init__(self, gate: Callable[[], CampaignGate]) -> None:
        self._gate = gate
        self.check: Callable[[Decision, str, str], Decision] | None = None

    def refresh(self, revision: int, *, enforced: bool) -> None:
        """Take up the campaigns that run; see the gate's."""
        gate = self._gate()
        gate.refresh(revision, enforced=enforced)
        self.check = gate.check
