"""List and describe API keys."""

from __future__ import annotations

from collections.abc import Sequence

from flask_irl.api_keys.record import Record, decode
from flask_irl.operations.api_key_checks import beginning_of, key_id_of
from flask_irl.operations.api_key_results import ApiKeyResult, describe
from flask_irl.stores.base import Store
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify


class ApiKeyList:
    """List and describe API keys.

    Args:
        store: Keeps them.
        notify: Takes an event for each that can't be read.
    """

    def __init__(self, store: Store, notify: Notify) -> None:
        self._store = store
        self._damaged = DamageLog("api_key", "api_key_damaged", notify)

    def page(
        self, *, prefix: str = "", owner: str = "", offset: int = 0, limit: int = 50
    ) -> tuple[list[ApiKeyResult], int]:
        """List API keys, and count them.

        Args:
            prefix: Only keys whose texts or ids begin with this.
            owner: Only keys whose owners begin with this; with a prefix, of exactly this owner.
            offset: The number of keys to skip, 0 or more.
            limit: The number of keys to list at most.
        """
        names, total = self._store.api_key_names(beginning_of(prefix, owner), offset, limit)
        key_ids = [name[-10:] for name in names]
        found = self._load(key_ids)
        gone = [name for name, each in zip(names, found, strict=True) if each is None]
        if gone:
            self._store.index_api_key((), gone)
        return [each for each in found if each is not None], total - len(gone)

    def show(self, key: str) -> ApiKeyResult | None:
        """Describe an API key by its id, its prefix or its client; None where there is none."""
        key_id = key_id_of(key)
        return self._load([key_id])[0] if key_id else None

    def _load(self, key_ids: Sequence[str]) -> list[ApiKeyResult | None]:
        now = self._store.now()
        records = self._store.api_key_records(key_ids)
        uses = self._store.key_uses(key_ids)
        found: list[ApiKeyResult | None] = []
        for key_id, data, use in zip(key_ids, records, uses, strict=True):
            record = self._decoded(key_id, data)
            found.append(None if record is None else describe(record, use, now))
        return found

    def _decoded(self, key_id: str, data: bytes | None) -> Record | None:
        if data is None:
            return None
        try:
            return decode(key_id, data)
        except ValueError as error:
            self._damaged.report(key=key_id, reason=error)
            return None
