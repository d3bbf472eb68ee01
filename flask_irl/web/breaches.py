"""Tell an app's functions of each refusal, and take the answers that they give to it."""

from __future__ import annotations

from flask import Response

from flask_irl.limiter.failures import Failed
from flask_irl.limits.current import shown_limit
from flask_irl.limits.decision import Decision
from flask_irl.web.callbacks import OnBreach, call
from flask_irl.web.questions import Question


class Breaches:
    """Ask the functions given as ``on_breach``, the extension's first and then the limit's.

    Args:
        on_breach: The extension's.
        on_meta_breach: The extension's for refusals by a meta limit.
        failed: Takes an error of one, with the place's name and the function.

    Attributes:
        hears_all: Whether the extension has one, so that each refusal is told.
    """

    def __init__(
        self, on_breach: OnBreach | None, on_meta_breach: OnBreach | None, failed: Failed
    ) -> None:
        self._on_breach = on_breach
        self._on_meta_breach = on_meta_breach
        self._failed = failed
        self.hears_all = on_breach is not None or on_meta_breach is not None

    def ask(self, decision: Decision, question: Question) -> tuple[bool, Response | None]:
        """Tell whether somebody asks for each refusal, and give the last answer to this one.

        A function that raises gives none.
        """
        notice = question.notice(decision)
        limits = None if notice is None else notice.on_breach
        if notice is not None and notice.role == "breach":
            functions = [limits or self._on_meta_breach]
        else:
            functions = [self._on_breach, limits]
        answer = None
        known = [function for function in dict.fromkeys(functions) if function is not None]
        for function in known:
            try:
                given = call(function, shown_limit(decision))
            except Exception as error:
                self._failed("on_breach", error, function)
                continue
            if isinstance(given, Response):
                answer = given
        return bool(known), answer
