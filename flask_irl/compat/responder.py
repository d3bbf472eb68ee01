"""Show decisions in the headers that Flask-Limiter sends, under the names that the app gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from werkzeug.http import http_date, parse_date

from flask_irl.compat.constants import HeaderNames
from flask_irl.limits.decision import Decision
from flask_irl.web.exchange import Headers
from flask_irl.web.responses import USUAL_HEADERS, Responder

RETRY_AFTER: Final = "retry-after"


class CompatResponder(Responder):
    """Complete the answers to requests that were decided on.

    Args:
        enabled: Whether answers show the decision.
        names: The headers' names.
        http_dates: Whether ``Retry-After`` is a date.
        failed: Takes an error, with the place's name.
    """

    def __init__(
        self,
        enabled: bool,
        names: Mapping[HeaderNames, str],
        *,
        http_dates: bool,
        failed: Callable[[str, BaseException], None],
    ) -> None:
        super().__init__(headers_enabled=enabled, ietf=False, epoch=True, failed=failed)
        self._shows = enabled
        # By an enumeration's members only once: their hash is a call of Python's.
        self._limit = names[HeaderNames.LIMIT]
        self._remaining = names[HeaderNames.REMAINING]
        self._reset = names[HeaderNames.RESET]
        self._retry_after = names[HeaderNames.RETRY_AFTER]
        self._replaced = frozenset({self._retry_after.lower(), RETRY_AFTER})
        self._http_dates = http_dates

    def complete(self, decision: Decision, status: str, headers: Headers) -> None:
        """Add the decision's headers to an answer; never raises."""
        if not self._shows or decision.source == "none" or not _has_limit(decision):
            if status.startswith("429") and not decision.admitted:
                super().complete(decision._replace(source="none"), status, headers)
            return
        try:
            self._show(decision, headers)
        except Exception as error:
            self._failed("response", error)

    def _show(self, decision: Decision, headers: Headers) -> None:
        now = time.time()
        ends, left = decision.at + decision.reset_after, decision.remaining
        if decision.admitted and ends <= now:
            # The view took longer than the window: the next request finds a new one.
            ends, left = now, decision.limit
        reset = int(ends + 1)
        shown = reset
        for name, value in headers:
            if name not in USUAL_HEADERS and name.lower() in self._replaced:
                # The later of this and what the view has said.
                reset = max(reset, _seconds(value, now))
                headers[:] = [item for item in headers if item[0].lower() not in self._replaced]
                break
        wait = http_date(reset) if self._http_dates else str(int(reset - now))
        headers += (
            (self._limit, str(decision.limit)),
            (self._remaining, str(left)),
            (self._reset, str(shown)),
            (self._retry_after, wait),
        )


def _has_limit(decision: Decision) -> bool:
    return bool(decision.limit) or not decision.admitted


def _seconds(value: str, now: float) -> int:
    """Read ``Retry-After`` into seconds since the epoch; 0 where it can't be read."""
    date: datetime | None = parse_date(value)
    if date is not None:
        return int(date.timestamp())
    return int(now + int(value)) if value.strip().isdecimal() else 0
