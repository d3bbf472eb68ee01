"""Tell which clients are part of a campaign, which ones it alone holds, and let those go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask_irl.behaviour import profile
from flask_irl.behaviour.courses import CoursePart, Slot, pack, slot_of
from flask_irl.behaviour.features import matrix
from flask_irl.behaviour.routes import is_login
from flask_irl.campaigns.campaign import Campaign, Table
from flask_irl.campaigns.newcomers import LOGGED_IN, has_history, login_sorts, logins_done
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.moments import when
from flask_irl.stores.base import Store
from flask_irl.stores.history import History
from flask_irl.stores.site import RANKED
from flask_irl.stores.state import ClientState
from flask_irl.verdicts import explanations as explain
from flask_irl.verdicts.campaign_watch import members
from flask_irl.verdicts.course_rows import FADES
from flask_irl.verdicts.edit import edit_profiles
from flask_irl.verdicts.rankings import RANKINGS
from flask_irl.verdicts.rules import Rules
from flask_irl.verdicts.steps import take_back

FLAGGED: Final = RANKINGS["flagged"].stored
ATTEMPTS: Final = 0.5
"""Count of logins that one leaves for some minutes."""


def part_of_campaigns(limiter: Limiter, client: str, record: profile.Records) -> list[str]:
    """Tell in sentences which running campaigns a client is part of.

    Args:
        limiter: The limiter.
        client: The client's key.
        record: Its profile alone.
    """
    table = limiter.learning.campaigns.table
    if not table.campaigns or not record["total"][0]:
        return []
    view = profile.view(record, 0.0, 0.0)
    found = members(table, [client], matrix(view), record, limiter.system_of) or {}
    subjects = set(found.values())
    attempts = max(view["login_writes"][0], view["failed_writes"][0])
    if not has_history(record)[0] and attempts >= ATTEMPTS:
        sort = login_sorts(view)[0]
        subjects |= {
            s
            for s in table.campaigns
            if s.kind == "login"
            and s.sort == sort
            and logins_done(view, named=is_login(s.target))[0] < LOGGED_IN
        }
    return [_sentence(table.campaigns[s]) for s in table.campaigns if s in subjects]


def place_of(kind: str, target: str) -> str:
    """Word what a campaign aims at."""
    return {"login": f"on {target}", "network": f"from {target}"}.get(kind, "on the whole site")


def _sentence(campaign: Campaign) -> str:
    kind, target, _ = campaign.subject
    return f"part of a campaign {place_of(kind, target)} since {when(campaign.since)}"


def held_by(limiter: Limiter, campaign: Campaign) -> list[str]:
    """List the clients, of the thousand flagged last, that only this campaign holds.

    Those that break a rule, or whose own score is anomalous, are held without it, too; so are those
    of another campaign. One on a login holds no client at a step: it refuses logins alone.

    Raises:
        StoreError: The store failed.
    """
    if campaign.subject.kind == "login":
        return []
    return _held_among(limiter, campaign, limiter.store.ranked(FLAGGED, 0, RANKED)[0])


def let_go(limiter: Limiter, campaign: Campaign) -> int:
    """Give all clients that only this campaign holds their full limit back, and count them.

    Goes through all clients that are known, part by part, after those of :func:`held_by`: the
    ranking may have had no place for others.

    Raises:
        StoreError: The store failed; some may have it back.
    """
    if campaign.subject.kind == "login":
        return 0
    released = _release(limiter, held_by(limiter, campaign))
    for part in limiter.store.clients():
        released += _release(limiter, _held_among(limiter, campaign, part))
    return released


def _held_among(limiter: Limiter, campaign: Campaign, names: list[str]) -> list[str]:
    """List those of some clients that only this campaign holds."""
    pairs = zip(names, limiter.store.load(names) if names else (), strict=True)
    states = {name: state for name, state in pairs if state is not None and state.step > 0}
    found = _members(limiter, Table({campaign.subject: campaign}), states)
    running = limiter.learning.campaigns.table.campaigns
    others = Table({s: c for s, c in running.items() if c.id != campaign.id})
    found -= _members(limiter, others, states)
    return [name for name in states if name in found and not _is_odd(limiter, states[name])]


def _release(limiter: Limiter, clients: list[str]) -> int:
    """Give clients their full limit back, and count those that are known."""
    store = limiter.store
    freed = edit_profiles(
        store,
        clients,
        lambda _, records: take_back(records),
        limiter.options.profile_ttl_seconds,
    )
    if freed:
        store.rank(FLAGGED, {}, freed)
        # Workers may remember that they are refused.
        store.advance_epoch()
        _note_relief(store, freed)
    return len(freed)


def _note_relief(store: Store, clients: list[str]) -> None:
    """Note in the courses of clients that they have their full limit back now."""
    at = store.now()
    slot = Slot(slot_of(at), relieved_at=at)
    # The lowest rank of now: nobody's course gives way to it.
    rank, packed = slot.begins_at / FADES, pack(slot)
    parts = [CoursePart(client, rank, packed) for client in clients]
    store.add_counts({}, history=History({}, {}, parts))


def _members(limiter: Limiter, table: Table, states: Mapping[str, ClientState]) -> set[str]:
    """Find the clients that are part of a running campaign."""
    if not states:
        return set()
    names = list(states)
    records = profile.decode([state.profile for state in states.values()])
    features = matrix(profile.view(records, 0.0, 0.0))
    found = members(table, names, features, records, limiter.system_of)
    return {names[place] for place in found or ()}


def _is_odd(limiter: Limiter, state: ClientState) -> bool:
    """Tell whether a client is held for what it does itself."""
    if state.score < limiter.ladder.threshold:
        return True
    options = limiter.options
    rules = Rules(options.login_failures, options.unknown_paths)
    record = profile.decode([state.profile])
    return bool(explain.broken_rules(limiter.trainer.model, rules, record))
