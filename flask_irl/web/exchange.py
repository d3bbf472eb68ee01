"""Carry a request from its arrival to its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from werkzeug.routing import Rule

from flask_irl.limits.decision import Decision
from flask_irl.web.questions import Question
from flask_irl.web.routes import Route

Headers = list[tuple[str, str]]


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
    """Hold the state of one request; only the enforcer, the observer and the app's word write it.

    Attributes:
        decision: The decision on it; None until then, and when it is exempt.
        route: Its route; set as soon as it is known.
        client: The client's key; set as soon as it is known.
        seconds: Time that the decision took.
        early: The question whose answer is still to be read, if one was sent early.
        observed: Whether the observer has noted it.
        failed_login: Whether the app says that it is a login that failed.
    """

    decision: Decision | None = None
    route: Route
    client = ""
    seconds = 0.0
    early: EarlyQuestion | None = None
    observed = False
    failed_login = False


class Refusal(NamedTuple):
    """Hold a whole response that refuses a request without Flask."""

    status: str
    headers: Headers
    body: bytes

    def send(self, start_response: Callable[[str, Headers], object]) -> Iterable[bytes]:
        """Start the response, and give its body."""
        start_response(self.status, self.headers)
        return (self.body,)
