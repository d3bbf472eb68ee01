"""Turn a route into a question to the limiter: the plan, the keys and the cost of a request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from flask_irl.errors import IrlError
from flask_irl.limiter.failures import Failed
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.limits.limit import Limit, parse_limits
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.rate_plan import RatePlan
from flask_irl.web.callbacks import DeductWhen, LimitFunc, call, is_true, key_of
from flask_irl.web.client_names import key_named
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.routes import Route
from flask_irl.web.scopes import Notice, fixed_cost, notices_of, scopes_of


class Tested(Protocol):
    """Describe a limit that counts requests only after their answers."""

    @property
    def deduct_when(self) -> DeductWhen | None:
        """Tell, given the response, whether a request counts."""


class Question(NamedTuple):
    """Hold all that the limiter needs to know of one request.

    Attributes:
        plan: The limits.
        keys: The key for each of the plan's scopes; None when it is the client's everywhere.
        cost: Units that the request counts for.
        notices: The texts of the limits' 429s.
        tests: The limits that count the request only after its answer, with their places among the
            plan's scopes.
        rate_plan: The client's plan; None where the base limit holds.
    """

    plan: Plan
    keys: Sequence[str] | None
    cost: int
    notices: tuple[Notice, ...]
    tests: tuple[tuple[int, Tested], ...] = ()
    rate_plan: RatePlan | None = None

    def keys_for(self, client: str) -> Sequence[str]:
        """Give one key for each of the plan's scopes."""
        keys = self.keys
        return (client,) * len(self.plan.scopes) if keys is None else keys

    def message(self, decision: Decision) -> str | None:
        """Give the text of the limit that decided, if it has one."""
        if not self.notices:
            return None
        shown = (decision.scope, decision.window_seconds)
        return next((x.message for x in self.notices if (x.scope, x.window) == shown), None)

    def notice(self, decision: Decision) -> Notice | None:
        """Give the notice of the limit that decided, if it has one."""
        shown = (decision.scope, decision.window_seconds)
        return next((x for x in self.notices if (x.scope, x.window) == shown), None)


class Questions:
    """Make the questions of an app's routes.

    Args:
        limiter: Makes the plans.
        failed: Takes an error of a user's callable, with the place's name and the callable.

    Attributes:
        at_tests: Is called when a question has limits that count only after the answer.
    """

    def __init__(self, limiter: Limiter, failed: Failed) -> None:
        self._limiter = limiter
        self._failed = failed
        self.at_tests: Callable[[], object] = lambda: None

    def question(
        self,
        route: Route,
        client: str,
        rate_plan: RatePlan | None = None,
        *,
        without: Collection[RouteLimit] = (),
    ) -> Question:
        """Make the question about a client's request.

        Args:
            route: The request's.
            client: The client's key.
            rate_plan: The client's plan; None for the base limit.
            without: Limits that are left out, if they depend on the request.
        """
        fixed = self.fixed(route, rate_plan)
        return fixed or self._dynamic(route, client, rate_plan, without)

    def fixed(self, route: Route, rate_plan: RatePlan | None = None) -> Question | None:
        """Make the question that is the same for every request under a rate plan.

        Args:
            route: The request's.
            rate_plan: The client's plan; None for the base limit.

        Returns:
            The question; None where it depends on the request.
        """
        generation = self._limiter.plans.generation
        if rate_plan is not None:
            return self._fixed_under(route, rate_plan, generation)
        if route.question is not None and route.generation == generation:
            known: Question = route.question
            return known
        if not route.fixed:
            return None
        route.question = question = self.rest(route)
        route.generation = generation
        return question

    def _fixed_under(self, route: Route, rate_plan: RatePlan, generation: int) -> Question | None:
        """Make the question that is the same for every client with a rate plan."""
        if route.planned_generation != generation:
            # In one step, whatever other threads do: a question of before ends in the old one.
            route.planned, route.planned_generation = {}, generation
        questions = route.planned
        known: Question | None = questions.get(rate_plan)
        if known is None and route.fixed:
            known = questions[rate_plan] = self.rest(route, rate_plan)
        return known

    def rest(self, route: Route, rate_plan: RatePlan | None = None) -> Question:
        """Make the question about a route's fixed limits alone, under a rate plan or none."""
        notices = tuple(
            notice
            for name, limit in zip(route.names, route.limits, strict=True)
            if limit.fixed
            for notice in notices_of(name, limit, limit.limits)
        )
        scopes = scopes_of(route, rate_plan)
        tests = tuple(
            (1 + place, limit)
            for name, limit in zip(route.names, route.limits, strict=True)
            if limit.role == "test" and limit.fixed
            for place, scope in enumerate(scopes)
            if (scope.name, scope.role) == (name, "test")
        )
        if tests:
            self.at_tests()
        plan = self._limiter.plan(scopes)
        return Question(plan, None, fixed_cost(route.limits), notices, tests, rate_plan)

    def without_rest(self, route: Route, question: Question) -> Question | None:
        """Take the fixed limits, counted before, out of a question; None where nothing is left."""
        counted = 1 + len(scopes_of(route, question.rate_plan))
        plan, keys = question.plan, question.keys
        if keys is None or len(keys) == counted:
            return None
        plan = self._limiter.plans.without_first(plan, counted)
        return question._replace(plan=plan, keys=(keys[0], *keys[counted:]))

    def _dynamic(
        self,
        route: Route,
        client: str,
        rate_plan: RatePlan | None,
        without: Collection[RouteLimit],
    ) -> Question:
        scopes = list(scopes_of(route, rate_plan))
        keys = [client] * (1 + len(scopes))
        notices: list[Notice] = []
        costs: list[int] = []
        tests: list[tuple[int, Tested]] = (
            list(self.rest(route, rate_plan).tests) if route.tested else []
        )
        names: dict[RouteLimit, str] = {}
        for name, limit in zip(route.names, route.limits, strict=True):
            if not limit.fixed:
                # A callable of the user's that fails may cost its own limit, never the request.
                if limit in without or self._spared(limit):
                    continue
                given = self._given(limit)
                if not given:
                    continue
                parent = limit.parent
                if parent is not None and parent not in names:
                    continue
                above = "" if parent is None else names[parent]
                name = name or (above and f"meta:{above}") or self._scope_name(limit, route)
                own = self._own_key(limit)
                cost = self._cost(limit)
                if limit.role == "test":
                    tests.append((1 + len(scopes), limit))
                    self.at_tests()
                scopes.append(
                    Scope(
                        name,
                        given,
                        own is not None,
                        limit.override_base,
                        role=limit.role,
                        cost=cost if limit.own_cost else None,
                        of=(above,) if above else (),
                    )
                )
                keys.append(own or client)
                notices += notices_of(name, limit, given)
            else:
                notices += notices_of(name, limit, limit.limits)
                cost = self._cost(limit)
            names[limit] = name
            if limit.role != "breach" and not limit.own_cost:
                costs.append(cost)
        cost = max(costs, default=1)
        if scopes and scopes[0].yields and any(scope.replaces_base for scope in scopes[1:]):
            # A limit that a function gave replaces the plan, too.
            del scopes[0], keys[1]
            tests = [(place - 1, test) for place, test in tests]
        plan = self._limiter.plan(tuple(scopes))
        return Question(plan, keys, cost, tuple(notices), tuple(tests), rate_plan)

    def _given(self, limit: RouteLimit) -> tuple[Limit, ...]:
        """Ask a limit's function for the limits of this request; the default where it fails."""
        if limit.dynamic is None:
            return limit.limits
        try:
            return _given(limit.dynamic)
        except Exception as error:
            self._failed("limit", error, limit.dynamic)
            return limit.default

    def _scope_name(self, limit: RouteLimit, route: Route) -> str:
        """Ask a shared limit's function for the scope; the limit's own where it fails."""
        try:
            return limit.scope_name(route.endpoint, route.method)
        except Exception as error:
            self._failed("scope", error, limit.shared)
            return f"shared:{limit.name}"

    def _spared(self, limit: RouteLimit) -> bool:
        try:
            return limit.exempt_when is not None and is_true(limit.exempt_when)
        except Exception as error:
            self._failed("exempt_when", error, limit.exempt_when)
            return False

    def _own_key(self, limit: RouteLimit) -> str | None:
        """Give the key by a limit's own key function; None for the client's."""
        if limit.key_func is None:
            return None
        try:
            key = key_of(limit.key_func)
            return key_named(key) if key else None
        except Exception as error:
            self._failed("key_func", error, limit.key_func)
            return None

    def _cost(self, limit: RouteLimit) -> int:
        """Give the cost of a request by one limit; 1 where its function fails."""
        if not callable(limit.cost):
            return limit.cost
        try:
            cost = call(limit.cost)
            if isinstance(cost, bool) or not isinstance(cost, int) or cost < 0:
                raise IrlError(f"cost {cost!r} is not allowed: give a whole number, 0 or more")
        except Exception as error:
            self._failed("cost", error, limit.cost)
            return 1
        return cost


def fixed_plan(limiter: Limiter, route: Route) -> Plan:
    """Make the plan of a route's fixed limits, whatever the request."""
    return limiter.plan(scopes_of(route))


def _given(dynamic: LimitFunc) -> tuple[Limit, ...]:
    """Ask for the limits of a request; there are none where None or an empty text is returned."""
    text = call(dynamic)
    if text is None or (isinstance(text, str) and not text.strip()):
        return ()
    return parse_limits(text)
