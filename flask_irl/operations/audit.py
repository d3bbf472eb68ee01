"""Keep the audit log: the changes that operators made or tried to make."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from flask_irl.errors import ConfigurationError
from flask_irl.operations.results import AuditEntry
from flask_irl.stored import is_number, read_json
from flask_irl.stores.base import Store
from flask_irl.stores.site import AUDIT_KEPT
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify, ignore
from flask_irl.telemetry.log import LAST_MOMENT, event

MAX_REASON: Final = 500
"""Most characters of an operator's reason."""
TEXTS: Final = ("who", "action", "target", "reason")
NEW: Final = frozenset({"tenant"})
"""Members that entries of earlier builds don't have."""
STATES: Final = ("before", "after")


def check_reason(reason: str) -> None:
    """Check the length of an operator's reason.

    Raises:
        ConfigurationError: It is too long.
    """
    if len(reason) > MAX_REASON:
        raise ConfigurationError(f"reason is too long: give at most {MAX_REASON} characters")


class AuditLog:
    """Record changes before they are made, and list them.

    A change that fails after its entry was written stays in the log as one that was tried: an entry
    tells of the intention, so that nothing is ever in force without a trace.

    Args:
        store: Keeps the entries.
        notify: Takes an event for each that can't be read.
        tenant: Tenant that the changes are about; empty where the app has none.
    """

    def __init__(self, store: Store, notify: Notify = ignore, tenant: str = "") -> None:
        self._store = store
        self._tenant = tenant
        self._damaged = DamageLog("audit", "audit_entry_damaged", notify)

    def record(
        self,
        who: str,
        action: str,
        target: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> float:
        """Write a change to the audit log and to the process's own log.

        Args:
            who: The operator.
            action: The kind of the change, such as ``override``.
            target: The client or the model's version; empty for the whole site.
            before: The state before the change.
            after: The state that the change is to bring about.
            reason: The operator's reason.

        Returns:
            The entry's moment, in seconds since the epoch.

        Raises:
            StoreError: The store failed; the process's own log has the change all the same.
        """
        change = {
            "who": who,
            "action": action,
            "target": target,
            "before": before,
            "after": after,
            "reason": reason,
        }
        if self._tenant:
            change["tenant"] = self._tenant
        event(logging.INFO, "admin_change", **change)
        at = self._store.now()
        self._store.add_audit(json.dumps({"at": at, **change}).encode())
        return at

    def entries(self, *, offset: int = 0, limit: int = 50) -> tuple[list[AuditEntry], int]:
        """List the changes, newest first, and count the entries that are kept.

        Entries that are damaged or of another form are left out, but counted.
        """
        blobs, total = self._store.audit(offset, limit)
        entries = (self._read(blob) for blob in blobs)
        return [entry for entry in entries if entry is not None], total

    def latest_of(self, action: str, targets: Sequence[str]) -> dict[str, AuditEntry]:
        """Find the latest entry of an action on each of some targets; without those not kept."""
        wanted, found = set(targets), dict[str, AuditEntry]()
        if not wanted:
            return found
        # To read a thousand entries as JSON would take longer than anything else here.
        name = json.dumps(targets[0] if len(wanted) == 1 else action).encode()
        for blob in self._store.audit(0, AUDIT_KEPT)[0]:
            entry = self._read(blob) if name in blob else None
            if entry is not None and entry["action"] == action and entry["target"] in wanted:
                wanted.discard(entry["target"])
                found[entry["target"]] = entry
                if not wanted:
                    break
        return found

    def of_target(self, target: str, *, limit: int = 20) -> list[AuditEntry]:
        """List the changes of a client or a model, newest first."""
        name, found = json.dumps(target).encode(), list[AuditEntry]()
        for blob in self._store.audit(0, AUDIT_KEPT)[0]:
            # To read a thousand entries as JSON would take longer than anything else here.
            entry = self._read(blob) if name in blob else None
            if entry is not None and entry["target"] == target:
                found.append(entry)
                if len(found) == limit:
                    break
        return found

    def _read(self, blob: bytes) -> AuditEntry | None:
        reason = "it is of another form"
        try:
            entry = read_json(blob)
        except ValueError as error:
            entry, reason = None, str(error)
        if _is_entry(entry):
            return AuditEntry(
                at=entry["at"],
                who=entry["who"],
                action=entry["action"],
                target=entry["target"],
                before=entry["before"],
                after=entry["after"],
                reason=entry["reason"],
                tenant=tenant if isinstance(tenant := entry.get("tenant"), str) else "",
            )
        self._damaged.tell(reason)
        return None


def _is_entry(entry: object) -> TypeGuard[AuditEntry]:
    """Check the form of an entry: the store may hold entries that were written by others."""
    return (
        isinstance(entry, dict)
        and entry.keys() >= AuditEntry.__required_keys__ - NEW
        and is_number(entry["at"])
        and 0 <= entry["at"] <= LAST_MOMENT
        and all(isinstance(entry[name], str) for name in TEXTS)
        and all(entry[name] is None or _is_state(entry[name]) for name in STATES)
    )


def _is_state(state: object) -> bool:
    return isinstance(state, dict) and all(
        all(map(_is_scalar, value)) if isinstance(value, list) else _is_scalar(value)
        for value in state.values()
    )


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, bool | str) or is_number(value)
