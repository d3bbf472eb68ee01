"""Ask an app's filters whether a request passes without a limit."""

from __future__ import annotations

from flask_irl.limiter.failures import Failed
from flask_irl.web.callbacks import Filter, is_true


class RequestFilters:
    """Ask an app's filters about the request being served.

    Args:
        filters: Return True for requests that aren't limited; may grow.
        failed: Takes an error of one, with the place's name and the function.
    """

    def __init__(self, filters: list[Filter], failed: Failed) -> None:
        self._filters = filters
        self._failed = failed

    def passes(self, *, quietly: bool = False) -> bool:
        """Tell whether a filter lets the request being served pass.

        Args:
            quietly: Report no filter that fails.
        """
        return any(self._filtered(passes, quietly) for passes in self._filters)

    def _filtered(self, passes: Filter, quietly: bool) -> bool:
        try:
            return is_true(passes)
        except Exception as error:
            if not quietly:
                self._failed("request_filter", error, passes)
            return False
