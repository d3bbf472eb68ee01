"""Take changes back, by their entries of the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask_irl.errors import ConfigurationError
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.campaigns import CampaignOperations
from flask_irl.operations.clients import ClientOperations
from flask_irl.operations.models import ModelOperations
from flask_irl.operations.overrides import OverrideOperations
from flask_irl.operations.plans import PlanOperations
from flask_irl.operations.results import AuditEntry
from flask_irl.operations.site import SiteOperations
from flask_irl.stores.site import AUDIT_KEPT

State = Mapping[str, Any]
NEWEST: Final = 50
"""Entries among which one is looked for that was made just now."""


class UndoOperations:
    """Take changes back: what was in force before is in force again, with its former end.

    Args:
        audit: Has the changes.
        overrides: Restores overrides.
        clients: Restores feedback, and clients that were reset.
        models: Puts the model in force that was before, and its pin.
        site: Restores limits and mode.
        plans: Restores plans and assignments of them.
        campaigns: Puts back campaigns that were ended.
    """

    def __init__(
        self,
        audit: AuditLog,
        overrides: OverrideOperations,
        clients: ClientOperations,
        models: ModelOperations,
        site: SiteOperations,
        plans: PlanOperations,
        campaigns: CampaignOperations,
    ) -> None:
        self._audit = audit
        self._overrides = overrides
        self._clients = clients
        self._models = models
        self._site = site
        self._plans = plans
        self._campaigns = campaigns
        self._undo: Mapping[str, Callable[[AuditEntry, str], None]] = {
            "override": self._override,
            "clear": self._override,
            "feedback": self._feedback,
            "mode": self._mode,
            "limits": self._limits,
            "rollback": self._model,
            "unpin": self._model,
            "plans": self._changed_plans,
            "plan": self._assignment,
            "reset": self._reset,
            "restore": self._restored,
            "end_campaign": self._ended_campaign,
            "resume_campaign": self._resumed_campaign,
        }

    def latest(self, who: str, target: str | None) -> AuditEntry | None:
        """Find the entry that an operator's change has just made; None if it isn't there.

        Args:
            who: The operator.
            target: The change's target; None for any.
        """
        entries = self._audit.entries(limit=NEWEST)[0]
        own = (entry for entry in entries if entry["who"] == who)
        return next((e for e in own if target is None or e["target"] == target), None)

    def find(self, at: float, target: str) -> AuditEntry | None:
        """Find an entry by its moment, in seconds since the epoch, and its target."""
        entries = self._audit.entries(limit=NEWEST)[0]
        return next((e for e in entries if (e["at"], e["target"]) == (at, target)), None)

    def can_undo(self, entry: AuditEntry) -> bool:
        """Tell whether a change is of a kind that can be taken back."""
        if entry["action"] == "end_campaign" and entry["after"] is None:
            # Of an earlier build, which told too little of the campaign.
            return False
        if entry["action"] == "reset":
            # Not of everybody, or of a client that wasn't known.
            return bool(entry["target"] and (entry["before"] or {}).get("known"))
        return entry["action"] in self._undo

    def undo(self, at: float, target: str, who: str) -> None:
        """Take a change back, unless somebody has changed the same meanwhile.

        Args:
            at: The moment of its entry, in seconds since the epoch.
            target: The target of its entry.
            who: The operator that takes it back.

        Raises:
            ConfigurationError: There is no such change, it can't be taken back, or another change
                has come after it.
        """
        entry = self.find(at, target)
        if entry is None:
            raise ConfigurationError(
                f"the change is not among the latest {NEWEST}: nothing was undone"
            )
        if not self.can_undo(entry):
            raise ConfigurationError(f"{entry['action']} can't be undone")
        self._undo[entry["action"]](entry, who)

    def _override(self, entry: AuditEntry, who: str) -> None:
        overrides, key = self._overrides, entry["target"]
        _check_same(overrides.in_force(key), entry)
        overrides.restore(key, entry["before"], self._former_reason(entry), who)

    def _former_reason(self, entry: AuditEntry, kind: str = "override") -> str:
        """Find the reason of the change that brought about what was before; "" if unknown."""
        for other in self._audit.entries(limit=AUDIT_KEPT)[0]:
            same = other["action"] == kind and other["target"] == entry["target"]
            if same and other["at"] <= entry["at"] and other["after"] == entry["before"]:
                return other["reason"]
        return ""

    def _feedback(self, entry: AuditEntry, who: str) -> None:
        client = self._clients.describe(entry["target"])
        if client is None:
            raise ConfigurationError("the client is forgotten: nothing was undone")
        _check_same({"verdict": client["feedback"]}, entry)
        verdict = _before(entry, "verdict", str | None)
        self._clients.feedback(entry["target"], verdict, who)

    def _reset(self, entry: AuditEntry, who: str) -> None:
        self._clients.restore(entry, who)

    def _restored(self, entry: AuditEntry, who: str) -> None:
        if not self._clients.reset(entry["target"], who):
            raise ConfigurationError("the client is forgotten: nothing was undone")

    def _mode(self, entry: AuditEntry, who: str) -> None:
        _check_same({"mode": self._site.mode()}, entry)
        self._site.set_mode(_before(entry, "mode", str), who)

    def _limits(self, entry: AuditEntry, who: str) -> None:
        before = entry["before"] or {}
        site = self._site
        _check_same(site.settings(before), entry)
        configured = site.configured(before)
        back = {n: None if configured[n] == value else value for n, value in before.items()}
        site.set_limits(back, who)

    def _changed_plans(self, entry: AuditEntry, who: str) -> None:
        before = entry["before"] or {}
        _check_same(self._plans.in_force(before), entry)
        self._plans.restore(before, who)

    def _assignment(self, entry: AuditEntry, who: str) -> None:
        plans, key, before = self._plans, entry["target"], entry["before"]
        _check_same(plans.assignment(key), entry)
        if before is not None:
            _before(entry, "until", float | int)
            _before(entry, "plan", str)
        plans.restore_assignment(key, before, self._former_reason(entry, "plan"), who)

    def _model(self, entry: AuditEntry, who: str) -> None:
        models, before = self._models, entry["before"] or {}
        _check_same(models.in_force(), entry)
        version, pinned = _before(entry, "version", int), before.get("pinned")
        until = _before(entry, "until", float | int | None) if "until" in before else None
        found = models.rollback(version, who, until=until, reason="undone")
        if found is None:
            raise ConfigurationError(f"model {version} is kept no more: nothing was undone")
        if pinned is None:
            models.unpin(who, "undone")

    def _ended_campaign(self, entry: AuditEntry, who: str) -> None:
        until = self._campaigns.muted_until(entry)
        _check_same(None if until is None else {"until": until}, entry)
        self._campaigns.resume(entry, who)

    def _resumed_campaign(self, entry: AuditEntry, who: str) -> None:
        until = _before(entry, "until", float | int)
        if self._campaigns.end(entry["target"], who, "undone", until=until) is None:
            raise ConfigurationError("the campaign runs no more: nothing was undone")


def _before(entry: AuditEntry, name: str, form: Any) -> Any:
    """Read a member of the state before a change, which somebody may have written.

    Raises:
        ConfigurationError: It isn't there, or of another form.
    """
    before = entry["before"] or {}
    if name not in before or not isinstance(before[name], form):
        raise ConfigurationError("the audit log doesn't have all of it: nothing was undone")
    return before[name]


def _check_same(present: State | None, entry: AuditEntry) -> None:
    """Check that what a change brought about is still so.

    Raises:
        ConfigurationError: Somebody has changed it since, or it has ended.
    """
    if present != entry["after"]:
        raise ConfigurationError(
            f"this was changed again, or has ended, since {entry['who']} made the change: nothing "
            "was undone"
        )
