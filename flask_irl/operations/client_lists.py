"""List and find clients for operators, of a ranking or by what they are called and do."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Final, NamedTuple

from flask_irl.behaviour import profile
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.override import KINDS
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.description import UNSEEN
from flask_irl.operations.entries import Entries
from flask_irl.operations.ids import is_no_client
from flask_irl.operations.overridden import Overridden
from flask_irl.operations.plan_members import members
from flask_irl.operations.results import ClientCounts, ClientEntry
from flask_irl.operations.search import (
    ANOMALOUS,
    MAX_FOUND,
    Found,
    check_order,
    check_sort,
    country_wanted,
    key_matcher,
    route_wanted,
    unknown_route,
)
from flask_irl.operations.traffic import routes_beside, routes_of
from flask_irl.stores.site import OVERRIDDEN, RANKED
from flask_irl.stores.state import ClientState
from flask_irl.verdicts.rankings import RANKINGS

FLAGGED: Final = "flagged"


class Wanted(NamedTuple):
    """Restrict a list to clients at a step, of a plan and of a country; None for any."""

    step: int | None = None
    plan: str | None = None
    country: str | None = None


ANYBODY: Final = Wanted()


class ClientLists:
    """List, find and count clients.

    Args:
        limiter: The limiter.
        audit: Tells who set the overrides.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._overridden = Overridden(limiter, audit)
        self._entries = Entries(limiter, self._overridden)

    @property
    def knows_countries(self) -> bool:
        """Tell whether a file tells the countries of clients."""
        return self._limiter.countries is not None

    def ranked(
        self,
        *,
        order: str = "active",
        step: int | None = None,
        plan: str | None = None,
        country: str | None = None,
        sort: str | None = None,
        ascending: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[ClientEntry], int]:
        """List the clients of a ranking as of now, and count them.

        Args:
            order: ``active``, ``anomalous``, ``refused``, ``flagged`` (the latest first) or
                ``overridden`` (by the override's end, the last first; networks, too).
            step: Restricts the list to clients at this step.
            plan: Restricts it to clients that have this plan, or count under it at present.
            country: Restricts it to clients of the country with this code.
            sort: Sorts the clients of the ranking, a thousand at most, by one of
                :data:`~flask_irl.operations.search.COLUMNS`; None for the ranking's own order.
            ascending: Sorts with the lowest first.
            offset: The number of clients to skip.
            limit: The number of clients to return at most.

        Raises:
            ConfigurationError: There is no such ranking, plan or column, or no country is known.
        """
        check_order(order)
        check_sort(sort)
        wanted = Wanted(step, plan, self._code(country))
        self._limiter.refresh()
        now = self._store.now()
        whole = wanted != ANYBODY or sort is not None
        if not whole and order not in (ANOMALOUS, OVERRIDDEN):
            names, total = self._names(order, now, offset, limit)
            states = self._live(order, names, now)
            return self._entries.list(states, now), total - (len(names) - len(states))
        # Rankings are short: to count the clients at a step, to judge or sort them anew, or to put
        # networks among them, look at all.
        states = self._live(order, self._names(order, now, 0, RANKED)[0], now)
        if order == OVERRIDDEN:
            states |= self._load(self._overridden.networks(now), now)
        states = self._wanted(states, wanted, now)
        if order in (ANOMALOUS, OVERRIDDEN):
            states = self._found(states, now).by(order)
        if sort is not None:
            states = self._found(states, now).sorted_by(sort, ascending=ascending)
        return self._page(states, now, offset, limit), len(states)

    def find(
        self,
        text: str = "",
        *,
        route: str = "",
        order: str = "active",
        step: int | None = None,
        plan: str | None = None,
        country: str | None = None,
        sort: str | None = None,
        ascending: bool = False,
        everybody: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[ClientEntry], int]:
        """Find clients by their keys or by a route that they ask for, and count them.

        Networks that are overridden are found as clients are.

        Args:
            text: Beginning of their keys, an address, or a network such as ``203.0.113.0/24``.
            route: A route, perhaps with a method before it, such as ``POST /login``; those that ask
                for it most come first. Profiles count the routes in 16 groups: clients of another
                route of its group may be found, too (:meth:`same_group`).
            order: As of :meth:`ranked`, for clients found without a route.
            step: Restricts the list to clients at this step.
            plan: Restricts it as that of :meth:`ranked`.
            country: Restricts it as that of :meth:`ranked`.
            sort: Sorts all that are found, as there.
            ascending: Sorts with the lowest first.
            everybody: Looks at all clients that are known, a part after the other, up to a thousand
                found; otherwise at those of the rankings, a thousand each at most.
            offset: The number of clients to skip.
            limit: The number of clients to return at most.

        Raises:
            ConfigurationError: There is no such ranking, network, plan or column, or no country is
                known.
        """
        check_order(order)
        check_sort(sort)
        wanted = Wanted(step, plan, self._code(country))
        matches, begins = key_matcher(text)
        asked = None
        if route:
            asked = route_wanted(route, routes_of(self._store.counts()))
            if asked is None:
                return [], 0
        self._limiter.refresh()
        now = self._store.now()
        states: dict[str, ClientState] = {}
        parts = self._store.clients(begins) if everybody else iter([self._ranked_names()])
        for part in chain([self._overridden.networks(now)], parts):
            names = [name for name in part if name not in states and matches(name)]
            loaded = self._wanted(self._load(names, now), wanted, now)
            if asked is not None:
                loaded = self._found(loaded, now).asking_for(asked)
            states |= loaded
            if everybody and len(states) >= MAX_FOUND:
                break
        found = self._found(states, now)
        if sort is not None:
            states = found.sorted_by(sort, ascending=ascending)
        else:
            states = found.by(order) if asked is None else found.asking_for(asked)
        return self._page(states, now, offset, limit), len(states)

    def count_held(self) -> ClientCounts:
        """Count the flagged clients and the overrides, of a thousand clients each at most."""
        now = self._store.now()
        flagged = self._live(FLAGGED, self._names(FLAGGED, now, 0, RANKED)[0], now)
        held = {key: state for key, state in flagged.items() if state.step > 0}
        names = [*self._names(OVERRIDDEN, now, 0, RANKED)[0], *self._overridden.networks(now)]
        overrides = self._overridden.find_all(self._load(names, now), now)
        kinds = Counter(override.kind for override in overrides.values())
        # An operator's word goes before the model's.
        left = held.keys() - self._overridden.find_all(held, now).keys()
        steps = self._limiter.ladder.steps
        shut = [key for key in left if not steps[min(held[key].step, len(steps) - 1)].factor]
        return {
            "flagged": len(held),
            "blocked": len(shut) + kinds["block"],
            "overridden": {kind: kinds[kind] for kind in KINDS},
        }

    def same_group(self, route: str) -> list[str]:
        """List the other routes of the site that profiles count together with a route.

        Raises:
            ConfigurationError: Nobody has asked for such a route.
        """
        routes = routes_of(self._store.counts())
        wanted = route_wanted(route, routes)
        if wanted is None:
            raise ConfigurationError(unknown_route(route, routes))
        return routes_beside(routes, wanted.route)

    def _names(self, order: str, now: float, offset: int, limit: int) -> tuple[list[str], int]:
        """List clients of a ranking without those whose values have faded away, and count them."""
        ranking = RANKINGS.get(order)
        if ranking is None:
            return self._store.ranked(order, offset, limit)
        return self._store.ranked(ranking.stored, offset, limit, ranking.least_rank(now))

    def _ranked_names(self) -> list[str]:
        """List the clients of all rankings, whatever has faded."""
        stored = (*(ranking.stored for ranking in RANKINGS.values()), OVERRIDDEN)
        return [name for order in stored for name in self._store.ranked(order, 0, RANKED)[0]]

    def _load(self, names: list[str], now: float) -> dict[str, ClientState]:
        """Load clients; those that are not known any more are left out, unless overridden."""
        return self._reach(names, now)[0]

    def _reach(self, names: list[str], now: float) -> tuple[dict[str, ClientState], bool]:
        """Load clients as :meth:`_load` does, and tell whether all of the store has answered."""
        names = list(dict.fromkeys(names))
        loaded, error = self._store.load_reachable(names) if names else ([], None)
        states = {n: state for n, state in zip(names, loaded, strict=True) if state is not None}
        if error is not None:
            # Of the others, this process knows what operators have decided.
            self._limiter.failures.store_failed(error)
            own = self._limiter.access.own
            states = {n: UNSEEN._replace(override=own[n]) for n in names if n in own} | states
        found = self._overridden.find
        states |= {n: UNSEEN for n in names if n not in states and found(n, None, now)}
        return {n: states[n] for n in names if n in states}, error is None

    def _live(self, order: str, names: list[str], now: float) -> dict[str, ClientState]:
        """Load ranked clients; clients forgotten meanwhile leave the ranking."""
        states, complete = self._reach(names, now)
        live = {
            name: state
            for name, state in states.items()
            if order != OVERRIDDEN or self._overridden.find(name, state, now)
        }
        gone = [name for name in names if name not in live] if complete else []
        if gone:
            self._store.rank(RANKINGS[order].stored if order in RANKINGS else order, {}, gone)
        return live

    def _code(self, country: str | None) -> str | None:
        return None if country is None else country_wanted(country, self._limiter.countries)

    def _wanted(
        self, states: dict[str, ClientState], wanted: Wanted, now: float
    ) -> dict[str, ClientState]:
        """Give the clients that are wanted."""
        step, plan, country = wanted
        if step is not None:
            states = {key: state for key, state in states.items() if state.step == step}
        if country is not None and self._limiter.countries is not None:
            of = self._limiter.countries.of
            states = {key: state for key, state in states.items() if of(key) == country}
        if plan is not None:
            clients = [key for key in states if not is_no_client(key)]
            names = set(members(self._limiter, plan, clients, now))
            states = {key: state for key, state in states.items() if key in names}
        return states

    def _found(self, states: dict[str, ClientState], now: float) -> Found:
        records = profile.decode([state.profile for state in states.values()])
        overrides = self._overridden.find_all(states, now)
        return Found(
            states, records, lambda: self._entries.scores(states, records, now), overrides, now
        )

    def _page(
        self, states: dict[str, ClientState], now: float, offset: int, limit: int
    ) -> list[ClientEntry]:
        names = list(states)[offset : offset + limit]
        return self._entries.list({name: states[name] for name in names}, now)
