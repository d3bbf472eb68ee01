"""What every operation needs: the limiter, its store, and the audit log."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from flask_irl.limiter.limiter import Limiter
from flask_irl.stores.site import AUDIT_KEPT
from flask_irl.telemetry.log import event


class Hands:
    """What all of an operator's hands have in common.

    Args:
        limiter: The limiter.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._store = limiter.store

    def audit(self, *, offset: int = 0, limit: int = 50) -> tuple[list[dict[str, Any]], int]:
        """The changes made, newest first, and how many are kept."""
        entries, total = self._store.audit(offset, limit)
        return [json.loads(entry) for entry in entries], total

    def _latest(self, action: str, target: str) -> dict[str, Any] | None:
        """The latest entry of an action on a target, if it is still kept."""
        named = json.dumps(target).encode()
        for entry in self._store.audit(0, AUDIT_KEPT)[0]:
            # Reading all thousand as JSON would take longer than anything else that is asked.
            if named in entry:
                change: dict[str, Any] = json.loads(entry)
                if (change["action"], change["target"]) == (action, target):
                    return change
        return None

    def _audit(
        self,
        who: str,
        action: str,
        target: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        """Note a change in the audit log and in the process's own, which outlives a lost store."""
        change = {
            "who": who,
            "action": action,
            "target": target,
            "before": before,
            "after": after,
            "reason": reason,
        }
        event(logging.INFO, "admin_change", **change)
        self._store.add_audit(json.dumps({"at": self._store.now(), **change}).encode())
