"""A store in this process that gives quota leases: the Python twin of ``quota_lease.lua``."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

from flask_irl.api_keys.presented import Seen, StoredKey
from flask_irl.api_keys.text import id_of
from flask_irl.limits.admission import settle
from flask_irl.limits.decision import Hit
from flask_irl.limits.limit import Limit, scale
from flask_irl.limits.override import CODES
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.quota_lease import EndedLease, LeaseCall, Leased
from flask_irl.limits.strategies import STRATEGIES
from flask_irl.limits.strategies.base import EMPTY, FRACTION, Cell
from flask_irl.limits.strategies.gcra import slack
from flask_irl.stores.memory.client import MemoryClient
from flask_irl.stores.memory.store import MemoryStore

LONGEST, SHORTEST, FORGOTTEN = 1e6, 1e5, 5e6
MOST_BYTES = 4096

OpenLease = tuple[int, list[float]]
"""Units of a lease, and the start of each limit's window."""


class LeaseStore(MemoryStore):
    """Give leases as the Lua script does, for plans without keys of their own."""

    local = False

    def __init__(self, *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self._turn = threading.Lock()
        self._quota: dict[MemoryClient, dict[float, OpenLease]] = {}

    def lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, begun: object = None
    ) -> Leased:
        with self._turn:
            return self._lease_in_turn(plan, keys, call)

    def keyed_lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, seen: Seen, begun: object
    ) -> Leased | StoredKey:
        stored = self.api_key(id_of(keys[0]))
        known = stored.record is not None and stored.record.startswith(seen.revision)
        if not known or 0 < seen.until <= stored.now:
            return stored
        return self.lease(plan, keys, call)

    def _lease_in_turn(self, plan: Plan, keys: Sequence[str], call: LeaseCall) -> Leased:
        now = self._now()
        known = self._living(keys[0], now)
        known = known if known is not None and known.last else None
        taken = now in self._open_leases(known)
        self._end(plan, keys[0], call.ended, call.unused)
        leased = self._lease(plan, keys, call, known, taken)
        client = self._living(keys[0], now)
        assert client is not None
        cells = self._cells(plan, client)
        counts = leased.hit.admitted and leased.hit.override != CODES["allow"]
        if not counts or not cells:
            return leased
        place = self._places(plan, client).index(leased.hit.binding)
        limit, (start, counted, _) = cells[place]
        if plan.strategy == "gcra":
            window = limit.window_seconds * 1e6
            ever = (start + counted / FRACTION) * leased.hit.limit / window
            counted, start = math.floor(ever) % 2**32, -window / leased.hit.limit
        return leased._replace(counted=counted, start=start)

    def _lease(
        self,
        plan: Plan,
        keys: Sequence[str],
        call: LeaseCall,
        known: MemoryClient | None,
        taken: bool,
    ) -> Leased:
        hit = self.hit(plan, keys, 1)
        factor = plan.factors[min(hit.step, len(plan.factors) - 1)]
        if not plan.enforce and factor != plan.factors[0]:
            return Leased(hit)
        if known is None or taken or not hit.admitted or hit.override or not call.want:
            return Leased(hit)
        units, lasts = self._lease_for(plan, known, factor, call.want)
        if units == 0:
            return Leased(hit)
        if plan.strategy == "gcra":
            hit, intervals = self._take_ahead(plan, known, factor, units, lasts, hit)
            self._quota.setdefault(known, {})[hit.now] = units, intervals
            return Leased(hit, units, lasts)
        more = self.hit(plan, keys, units)
        cells = self._cells(plan, known)
        self._quota.setdefault(known, {})[more.now] = units, [cell[0] for _, cell in cells]
        return Leased(more._replace(gap=hit.gap), units, lasts)

    def give_back(self, leases: Sequence[EndedLease]) -> None:
        for plan, keys, given, unused in leases:
            with self._turn:
                self._end(plan, keys[0], given, unused, alone=True)

    def _now(self) -> float:
        return float(int(self._clock() * 1e6))

    def _open_leases(self, client: MemoryClient | None) -> dict[float, OpenLease]:
        return {} if client is None else self._quota.get(client, {})

    def _is_limited(self, client: MemoryClient) -> bool:
        override = client.override
        return (
            override is not None
            and self._now() < float(int(override.until * 1e6))
            and override.kind == "limit"
        )

    def _scopes(self, plan: Plan, client: MemoryClient) -> list[tuple[Scope, int]]:
        """List the scopes that count now, each with its signature."""
        is_limited = self._is_limited(client)
        return [
            (scope, signature)
            for scope, signature in zip(plan.scopes, plan.signatures, strict=True)
            if not (scope.yields if is_limited else scope.standby)
        ]

    def _places(self, plan: Plan, client: MemoryClient) -> list[int]:
        """List the places in the plan of the limits that count now."""
        counting = [scope for scope, _ in self._scopes(plan, client)]
        return [place for place, (scope, _) in enumerate(plan.limits) if scope in counting]

    def _cells(self, plan: Plan, client: MemoryClient) -> list[tuple[Limit, Cell]]:
        """List the limits that count now, with their cells; a scope without any has empty ones."""
        found = []
        for scope, signature in self._scopes(plan, client):
            entry = client.scopes.get((scope.name, signature))
            cells = [EMPTY] * len(scope.limits) if entry is None else entry[1]
            found += list(zip(scope.limits, cells, strict=True))
        return found

    def _end(self, plan: Plan, key: str, ended: float, unused: int, *, alone: bool = False) -> None:
        """End a lease, and drop those that nobody has ended in time."""
        now = self._now()
        client = self._living(key, now)
        if client is None:
            return
        leases = self._quota.pop(client, {})
        units, anchors = leases.pop(ended, (0, []))
        leases = {t: lease for t, lease in leases.items() if 0 <= now - t < FORGOTTEN}
        if leases:
            self._quota[client] = leases
        settled = self._settled(plan, client, now)
        if len(anchors) != len(settled) or not 0 < unused <= units:
            return
        after = [
            _without(plan, limit, cell, anchor, unused, now)
            for (limit, cell), anchor in zip(settled, anchors, strict=True)
        ]
        if after == [cell for _, cell in settled]:
            return
        entries = self._scopes(plan, client)
        names = [(scope.name, signature) for scope, signature in entries]
        if alone and any(
            scope.limits and name not in client.scopes
            for (scope, _), name in zip(entries, names, strict=True)
        ):
            return
        start = 0
        for (scope, _), name in zip(entries, names, strict=True):
            end = start + len(scope.limits)
            if name in client.scopes:
                client.scopes[name] = (client.scopes[name][0], after[start:end])
            start = end

    def _take_ahead(
        self,
        plan: Plan,
        client: MemoryClient,
        factor: float,
        units: int,
        lasts: float,
        hit: Hit,
    ) -> tuple[Hit, list[float]]:
        """Count units by GCRA as if all were used at the end of their lease."""
        now = hit.now
        out = sum(open_units for open_units, _ in self._open_leases(client).values())
        intervals, after = [], []
        shown = None
        for index, (limit, (anchor, part, ahead)) in enumerate(self._cells(plan, client)):
            window = limit.window_seconds * 1e6
            amount = scale(limit.amount, factor)
            interval, burst = window / amount, _burst(limit, amount)
            tolerance = interval * burst
            debt = max(anchor - now + part / FRACTION, lasts + out * interval) + units * interval
            whole = math.floor(debt)
            ahead = min(2**32 - 1, ahead + math.floor(units * interval))
            after.append((now + whole, math.floor((debt - whole) * FRACTION), ahead))
            intervals.append(interval)
            left = math.floor((tolerance + slack(burst, window) - debt) / interval)
            reset = min(debt, tolerance)
            if shown is None or left < shown[2] or (left == shown[2] and reset > shown[3]):
                shown = (self._places(plan, client)[index], amount, left, reset)
        start = 0
        for scope, signature in self._scopes(plan, client):
            end = start + len(scope.limits)
            expires, _ = client.scopes[scope.name, signature]
            client.scopes[scope.name, signature] = expires, after[start:end]
            start = end
        assert shown is not None
        binding, amount, left, reset = shown
        hit = hit._replace(binding=binding, limit=amount, remaining=left, reset_after=reset)
        return hit, intervals

    def _settled(self, plan: Plan, client: MemoryClient, now: float) -> list[tuple[Limit, Cell]]:
        cells = self._cells(plan, client)
        limits = [limit for limit, _ in cells]
        plan = (plan.overridden if self._is_limited(client) else plan.counted) or plan
        return list(zip(limits, settle(plan, [cell for _, cell in cells], now), strict=True))

    def _lease_for(
        self, plan: Plan, client: MemoryClient, factor: float, want: int
    ) -> tuple[int, float]:
        now = self._now()
        out = sum(units for units, _ in self._open_leases(client).values())
        units, lasts = want, LONGEST
        cells = self._cells(plan, client)
        for limit, cell in cells:
            amount = scale(limit.amount, factor)
            window = limit.window_seconds * 1e6
            burst = _burst(limit, amount)
            _, _, left, reset, _ = STRATEGIES[plan.strategy](cell, now, amount, window, burst, 0)
            part = 50
            if plan.strategy == "gcra":
                rate, part = window / amount, 150
                amount = _burst(limit, amount)
                reset = math.floor(amount * rate / part)
            share = amount // part - out if amount >= 100 else 0
            units = min(units, share, math.floor((left - amount / 10) / 8))
            lasts = min(lasts, reset)
        size = sum(13 + 8 * len(anchors) for _, anchors in self._open_leases(client).values())
        if not cells or lasts < SHORTEST or size > MOST_BYTES:
            return 0, 0.0
        return (units, lasts) if units > 0 else (0, 0.0)


def _burst(limit: Limit, amount: int) -> int:
    most = float((limit.burst or limit.amount) - 1)
    return 1 + math.floor(most * amount / limit.amount)


def _without(plan: Plan, limit: Limit, cell: Cell, anchor: float, unused: int, now: float) -> Cell:
    """Take unused units out of the window that they were counted in, if that still counts."""
    start, current, previous = cell
    if plan.strategy == "gcra":
        back = min(unused * anchor, previous)
        if back <= 0:
            return cell
        debt = start - now + current / FRACTION - back
        whole = math.floor(debt)
        rest = math.floor((debt - whole) * FRACTION)
        return now + whole, rest, max(0, previous - math.ceil(back))
    if start == anchor:
        return start, max(0, current - unused), previous
    if plan.strategy == "sliding-window-counter" and start == anchor + limit.window_seconds * 1e6:
        return start, current, max(0, previous - unused)
    return cell
