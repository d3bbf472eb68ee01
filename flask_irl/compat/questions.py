"""Make one question to the store of all that Flask-Limiter would ask about a request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from flask import request
from limits import RateLimitItem

from flask_irl.compat.constants import ExemptionScope
from flask_irl.compat.definitions import Limit
from flask_irl.compat.resolution import Found, Group, HeldLimit, Load, passes
from flask_irl.compat.storage import scope_name
from flask_irl.limiter.failures import Failed
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.limit import Limit as Figures
from flask_irl.limits.plan import Counting, Role, Scope
from flask_irl.limits.rate_plan import RatePlan
from flask_irl.web.callbacks import call, is_true, key_of
from flask_irl.web.client_names import key_named
from flask_irl.web.questions import Question, Questions
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.routes import Route

LOGGER: Final = logging.getLogger("flask-limiter")
T = TypeVar("T")


class Rules(NamedTuple):
    """Hold the settings by which a limiter's questions are made.

    Attributes:
        counting: What a refused request counts in.
        fallback: The limits that hold while the store is out, if they are others.
        key_func: The limiter's.
        identify: Names the current request instead of its endpoint; None for the endpoint.
    """

    counting: Counting
    fallback: tuple[Limit, ...]
    key_func: Callable[[], str]
    identify: Callable[[], str] | None


class CompatQuestions(Questions):
    """Make the questions of a compat limiter's routes.

    Args:
        limiter: Makes the plans.
        failed: Takes an error of an app's function.
        rules: The limiter's settings.
        seen: Gives the scopes that the current request has counted in.
    """

    def __init__(
        self,
        limiter: Limiter,
        failed: Failed,
        rules: Rules,
        seen: Callable[[], Collection[str]],
    ) -> None:
        super().__init__(limiter, failed)
        self._rules = rules
        self._seen = seen

    def with_limiter(self, limiter: Limiter) -> CompatQuestions:
        """Make the same questions to another limiter."""
        return CompatQuestions(limiter, self._failed, self._rules, self._seen)

    def question(
        self,
        route: Route,
        client: str,
        rate_plan: RatePlan | None = None,
        *,
        without: Collection[RouteLimit] = (),
    ) -> Question:
        """Make the question about a client's request; see ``Questions.question``."""
        known = self.fixed(route)
        group: Group | None = getattr(route, "group", None)
        if known is not None:
            return known
        if group is None:
            return super().question(route, client)
        if self._rules.fallback and self._limiter.breaker.is_open:
            return self._build(group, client, fallback=self._rules.fallback)
        if without:
            # What answered stood above the view's limits.
            return self._build(group, client, late=False)
        return self._build(group, client)

    def fixed(self, route: Route, rate_plan: RatePlan | None = None) -> Question | None:
        """Make the question that is the same for every client and request; None if it isn't."""
        if self._rules.fallback and self._limiter.breaker.is_open:
            return None
        return super().fixed(route)

    def rest(self, route: Route, rate_plan: RatePlan | None = None) -> Question:
        """Make the question about a route's fixed limits alone."""
        group = getattr(route, "group", None)
        if group is None:
            return super().rest(route)
        return self._build(group, None, late=route.fixed)

    def _build(
        self,
        group: Group,
        client: str | None,
        *,
        late: bool = True,
        fallback: tuple[Limit, ...] = (),
    ) -> Question:
        """Make a question.

        Args:
            group: The definitions.
            client: The client's key; None for the limits alone that need none of the app's
                functions.
            late: Take the limits of the view's decorators, too.
            fallback: Take these limits instead of all others.
        """

        def load(who: str, definition: Limit) -> Sequence[RateLimitItem]:
            if client is None and not definition.static:
                return ()
            return self._load(who, definition)

        first, second = passes(group, load)
        if fallback:
            first, second = [(x, limit) for limit in fallback for x in load("fallback", limit)], []
        held: list[HeldLimit] = []
        shown: str | None = None
        for found in (first, second if late else []):
            kept = self._kept(group, found, held)
            held += kept
            if kept:
                # As Flask-Limiter has it: the shortest window of a limit of the route's own.
                shown = next((x for x in kept if not x.shared), kept[0]).scope
        metas = {} if group.exemption & ExemptionScope.META else self._metas(group, held, load)
        scopes = [
            *(self._scope(x, cost=self._units(x.definition)) for x in held),
            *(self._scope(x, of=() if "" in of else tuple(of)) for x, of in metas.items()),
        ]
        return self._question([*held, *metas], scopes, shown, client)

    def _kept(self, group: Group, found: Found, held: Sequence[HeldLimit]) -> list[HeldLimit]:
        """Keep those of some limits that apply to the request, and aren't held yet."""
        seen = {(x.scope, x.key) for x in held}
        counted = self._seen() if group.function else ()
        kept = []
        for item, definition in found:
            if definition.spares(group.method) or self._spared(definition):
                continue
            limit = self._held(item, definition, group)
            if limit is None or (limit.scope, limit.key) in seen:
                continue
            if definition in group.default and limit.scope in counted:
                continue
            seen.add((limit.scope, limit.key))
            kept.append(limit)
        return kept

    def _metas(
        self, group: Group, held: Sequence[HeldLimit], load: Load
    ) -> dict[HeldLimit, list[str]]:
        """Give the limits on refusals, with the scopes whose refusals they count; "" for all."""
        pairs = [(meta, "") for meta in group.meta]
        pairs += [(meta, x.scope) for x in held for meta in x.definition.metas]
        known: dict[tuple[str, str], HeldLimit] = {}
        metas: dict[HeldLimit, list[str]] = {}
        for definition, parent in pairs:
            for item in () if self._spared(definition) else load("meta", definition):
                limit = self._held(item, definition, group, role="breach")
                if limit is not None:
                    limit = known.setdefault((limit.scope, limit.key), limit)
                    metas.setdefault(limit, []).append(parent)
        return metas

    def _question(
        self, held: list[HeldLimit], scopes: list[Scope], shown: str | None, client: str | None
    ) -> Question:
        plans = self._limiter.plans
        plan = plans.ordered(plans.plan(tuple(scopes)), self._rules.counting, shown)
        own = any(limit.key for limit in held)
        keys = None
        if client is not None and own:
            keys = [client, *(limit.key or client for limit in held)]
        tests = tuple(
            (1 + place, limit.definition)
            for place, limit in enumerate(held)
            if limit.role == "test"
        )
        if tests:
            self.at_tests()
        return Question(plan, keys, 1, tuple(held), tests)

    def _load(self, who: str, definition: Limit) -> Sequence[RateLimitItem]:
        try:
            items = definition.items()
            for item in items:
                # What our limits don't allow costs the definition alone.
                Figures(item.amount, item.get_expiry())
            return items
        except ValueError as error:
            LOGGER.error(f"failed to load ratelimit for {who}: {error}")
        except Exception as error:
            self._failed("limit", error, definition.limit_provider)
        return ()

    def _held(
        self, item: RateLimitItem, definition: Limit, group: Group, role: Role | None = None
    ) -> HeldLimit | None:
        """Name the scope and the key of a limit; None for one that has no key."""
        identify, scope = self._rules.identify, definition.scope
        name = group.endpoint
        if identify is not None:
            ask = identify
            name = self._try("request_identifier", lambda: str(ask()), ask, name)
        if callable(scope):
            function = scope
            scope = self._try("scope", lambda: call(function, request.endpoint or ""), function, "")
        if scope:
            name = str(scope) if definition.shared else f"{name}:{scope}"
        if definition.per_method:
            name += f":{group.method}"
        name = scope_name(name, item)
        key, own = "", definition.key_function
        if own is not None and own is not self._rules.key_func:
            named = own
            key = self._try("key_func", lambda: key_of(named), named, "")
            if not key:
                LOGGER.error(f"Skipping limit: {item}. Empty value found in parameters.")
                return None
            key = key_named(key)
        return HeldLimit(
            name,
            item.get_expiry(),
            None,
            definition.on_breach,
            role or ("test" if definition.deduct_when else "count"),
            item=item,
            definition=definition,
            key=key,
        )

    def _scope(
        self, limit: HeldLimit, *, cost: int | None = None, of: tuple[str, ...] = ()
    ) -> Scope:
        figures = Figures(limit.item.amount, limit.window)
        return Scope(limit.scope, (figures,), bool(limit.key), role=limit.role, cost=cost, of=of)

    def _spared(self, definition: Any) -> bool:
        function = definition.exempt_when
        if function is None:
            return False
        return self._try("exempt_when", lambda: is_true(function), function, False)

    def _units(self, definition: Limit) -> int | None:
        """Tell a limit's own cost; None for that of the question, 1."""
        cost = definition.cost or 1
        units = self._try(
            "cost", lambda: max(0, int(call(cost) if callable(cost) else cost)), cost, 1
        )
        return None if units == 1 else units

    def _try(self, where: str, ask: Callable[[], T], function: object, default: T) -> T:
        try:
            return ask()
        except Exception as error:
            self._failed(where, error, function)
            return default
