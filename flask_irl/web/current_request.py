"""Ask about the current request, and tell the limiter about it, from an app's own code."""

from __future__ import annotations

from typing import Final

from flask import Response, current_app, has_request_context, request

from flask_irl.api_keys.record import ApiKey
from flask_irl.config.tenants import DEFAULT
from flask_irl.limits.current import CurrentLimit, shown_limit
from flask_irl.limits.decision import Decision
from flask_irl.web.state import EXTENSION, state_of

NO_REQUEST: Final = (
    "limiter.current_key names the client of a request, and there is no request here. Give the "
    "client itself, as your key_func names it: an address, a user's id."
)


class CurrentRequest:
    """Give an extension's properties and calls that are about the current request."""

    @property
    def current_decision(self) -> Decision | None:
        """Give the decision on the current request; None outside of one, or if it is exempt.

        None, too, in hooks before a request whose limits or key are functions.
        """
        if not has_request_context() or EXTENSION not in current_app.extensions:
            return None
        return state_of(current_app).decision_on(request.environ)

    @property
    def current_tenant(self) -> str | None:
        """Name the tenant of the current request, ``default`` if it is of none.

        None outside of a request, and where the app has no tenants.
        """
        if not has_request_context() or EXTENSION not in current_app.extensions:
            return None
        tenants = state_of(current_app).tenants
        return None if tenants is None else tenants.current().limiter.tenant or DEFAULT

    @property
    def current_limit(self) -> CurrentLimit | None:
        """Give the limit that the current request's headers show; None as of current_decision."""
        decision = self.current_decision
        return None if decision is None else shown_limit(decision)

    @property
    def current_limits(self) -> list[CurrentLimit]:
        """List all limits that the current request counts under, as they stand with it.

        They are the limit on all of the client's requests, those of the route, and those of
        functions called so far. Empty where :attr:`current_decision` is None, and for a client
        that is allowed everything. Asks the store at each access, within ``store_timeout``; while
        the store doesn't answer, the list has only the limit that the headers show. Never raises.
        """
        if not has_request_context() or EXTENSION not in current_app.extensions:
            return []
        return state_of(current_app).of_request().limits_on(request.environ)

    def usage_view(self) -> Response:
        """Answer a request with its client's plan and what remains of it: a view for your app.

        Mount it where you like: ``app.add_url_rule("/usage", view_func=limiter.usage_view)``. It is
        a route like any other: asking counts, unless you exempt it. JSON: ``plan``; ``limits``,
        those on all of the client's requests, each with ``limit``, ``window_seconds``, ``used``,
        ``remaining``, ``reset_in`` (seconds) and ``resets_at``; ``unlimited`` and ``blocked``.
        ``Cache-Control: no-store``; 503 while the store doesn't answer.
        """
        state = state_of(current_app).of_request()
        return state.usage.answer(state.key_on(request.environ), request.environ)

    @property
    def current_key(self) -> str:
        """Name the client of the current request, as it is stored and shown.

        Raises:
            RuntimeError: There is no request.
            IrlError: The app has no limiter.
        """
        if not has_request_context():
            raise RuntimeError(NO_REQUEST)
        return state_of(current_app).of_request().key_on(request.environ)

    @property
    def current_api_key(self) -> ApiKey | None:
        """Give the API key of the current request; None where it has no valid one.

        None, too, outside of a request, and where the app has no API keys. Where the request isn't
        limited, the first access asks the store. Never raises.
        """
        if not has_request_context() or EXTENSION not in current_app.extensions:
            return None
        keys = state_of(current_app).of_request().api_keys
        return None if keys is None else keys.valid(request.environ)

    def failed_login(self) -> None:
        """Count the current request as a failed login, whatever it is answered with.

        Call it where a wrong password shows the form again or redirects to it. Does nothing outside
        of a request, and in one that isn't limited.
        """
        if has_request_context() and EXTENSION in current_app.extensions:
            state_of(current_app).note_failed_login(request.environ)
