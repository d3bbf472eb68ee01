"""Carry a request from its arrival to its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from werkzeug.routing import Rule

from flask_irl.limits.decision import Decision
from flask_irl.limits.plan import Plan
from flask_irl.web.questions import Question
from flask_irl.web.routes import Route

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Header = tuple[str, str]
Headers = list[Header]

FAILED: Final = "500 Internal Server Error"
"""Stands for the answer to a request whose view raised, and that got none from the app."""


class EarlyQuestion(NamedTuple):
    """Describe a question that was sent to the store before Flask saw the request.

    Attributes:
        begun: The store's handle of it.
        rule: The rule that Flask is expected to match, None for none.
        question: The question.
        keys: The keys that it is about.
    """

    begun: Any
    rule: Rule | None
    question: Question
    keys: Sequence[str]


class Exchange:
    """Hold the state of one request; the deciders, the observer and the app's word write it.

    Attributes:
        decision: The decision on it that is shown, those of functions' limits included; None
            until one is made, and when it is exempt.
        decided: Whether the request itself has been decided on, or is exempt.
        exempt: Whether it is exempt.
        late: Whether it is decided on only after the app's hooks.
        reached: Whether the view's decorators were reached before it was decided on.
        rest: The decision on what doesn't need the hooks, where it was made before them.
        answering: Whether a refusal is being answered, so that nothing more is counted.
        question: The question about it; None until it is asked.
        functions: The questions about functions that were called in it, by their plans.
        route: Its route; set as soon as it is known.
        client: The key that it counts under, the client's or its network's; set as soon as it is
            known.
        seconds: Time that the decision took.
        early: The question whose answer is still to be read, if one was sent early.
        observed: Whether the observer has noted it.
        fronted: Whether it came by the middleware, which finishes it.
        answered: Whether the app had answered it before it was decided on; that answer stands.
        failed_login: Whether the app says that it is a login that failed.
    """

    decision: Decision | None = None
    decided = False
    exempt = False
    late = False
    reached = False
    rest: Decision | None = None
    answering = False
    question: Question | None = None
    functions: Mapping[Plan, Question] = MappingProxyType({})
    route: Route
    client = ""
    seconds = 0.0
    early: EarlyQuestion | None = None
    observed = False
    failed_login = False
    fronted = False
    answered = False

    def add(self, decision: Decision) -> None:
        """Add a decision to those made on the request before: the one with least left is shown.

        One under no limit has nothing to show.
        """
        before = self.decision
        if before is None:
            self.decision = decision
            return
        shown = before
        less = decision.remaining < before.remaining and decision.limit > 0
        if not decision.admitted or less or (before.admitted and not before.limit):
            # The gap is that since the client's previous request, not since the first decision.
            shown = decision._replace(at=before.at, gap=before.gap)
        outcome = before.outcome if decision.outcome == "allowed" else decision.outcome
        self.decision = shown._replace(outcome=outcome)


def refused_by_another(environ: WSGIEnvironment, exchange: Exchange) -> bool:
    """Tell whether another limiter of the app has refused a request."""
    others = (x for x in environ.values() if isinstance(x, Exchange) and x is not exchange)
    return any(x.decision is not None and not x.decision.admitted for x in others)


class Refusal(NamedTuple):
    """Hold a whole response that refuses a request without Flask."""

    status: str
    headers: Headers
    body: bytes

    def send(self, start_response: Callable[[str, Headers], object]) -> Iterable[bytes]:
        """Start the response, and give its body."""
        start_response(self.status, self.headers)
        return (self.body,)
