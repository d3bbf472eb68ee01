"""Show a refusal by a template of the app's, where it has one."""

from __future__ import annotations

from typing import Final

from flask import Flask, current_app, has_app_context, render_template
from jinja2 import TemplateNotFound

from flask_irl.limiter.failures import Failed
from flask_irl.limits.decision import Decision
from flask_irl.web.durations import in_words, retry_seconds
from flask_irl.web.refusal_body import page, status_of

TEMPLATE: Final = "irl/429.html"
"""The template of the app's, among its others."""


class RefusalPage:
    """Write the pages of an app's refusals: by the app's template, else the limiter's own.

    Args:
        failed: Takes an error of the template, with the place's name and the template's.

    Attributes:
        is_apps: Whether the app has a template; None before it was looked for.
    """

    def __init__(self, failed: Failed) -> None:
        self._failed = failed
        self.is_apps: bool | None = None

    def look(self, app: Flask) -> bool:
        """Tell whether an app has a template of its own; looks for it once."""
        if self.is_apps is None:
            try:
                app.jinja_env.get_template(TEMPLATE)
            except TemplateNotFound:
                self.is_apps = False
            except Exception:
                # It is there, and shows its mistake when it is drawn.
                self.is_apps = True
            else:
                self.is_apps = True
        return self.is_apps

    def write(self, decision: Decision, message: str | None) -> str:
        """Write the page of a refusal; the limiter's own where the app's template fails."""
        if status_of(decision) == 429 and has_app_context() and self.look(current_app):
            wait = retry_seconds(decision)
            try:
                return render_template(
                    TEMPLATE,
                    decision=decision,
                    message=message,
                    retry_after=wait,
                    wait=in_words(wait),
                )
            except Exception as error:
                self._failed("template", error, TEMPLATE)
        return page(decision, message)
