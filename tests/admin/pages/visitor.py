"""Visit the operator's page as a browser does: with cookies, forms and their tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.admin.api import WRITE

PAGE = "/admin/page"


class Visitor:
    """Hold a browser.

    Args:
        app: An app with the page.
        token: Signs in with it at once; None for not.
    """

    def __init__(self, app: Flask, token: str | None = WRITE) -> None:
        self.client = app.test_client()
        self.form_token = ""
        if token is not None:
            answer = self.sign_in(token)
            assert answer.status_code == 303, answer.text
            self.open("/limits")

    @property
    def cookie(self) -> str:
        """Give the session's cookie, as a thief would copy it."""
        found = self.client.get_cookie("irl_session", path="/admin")
        assert found is not None
        return found.value

    def sign_in(self, token: str, **fields: str) -> TestResponse:
        """Send the form to sign in."""
        return self.client.post(f"{PAGE}/sign-in", data={"token": token, **fields})

    def open(self, path: str = "/", **options: Any) -> TestResponse:
        """Open a view, and note the token of its forms."""
        answer = self.client.get(f"{PAGE}{path}", **options)
        found = re.search(r'name="form_token" value="(\w+)"', answer.text)
        self.form_token = found[1] if found else ""
        return answer

    def send(self, path: str, fields: Mapping[str, object], **options: Any) -> TestResponse:
        """Send a form of the view that was opened last, and follow nothing."""
        data = {"form_token": self.form_token, **fields}
        return self.client.post(f"{PAGE}{path}", data=data, **options)

    def change(self, path: str, fields: Mapping[str, object]) -> TestResponse:
        """Send a form, and open the view that tells of the change."""
        answer = self.send(path, fields)
        assert answer.status_code == 303, answer.text
        return self.client.get(answer.headers["Location"])

    def undo(self, told: TestResponse) -> TestResponse:
        """Press the button of a notice."""
        fields = dict(re.findall(r'name="(at|target)" value="([^"]*)"', told.text))
        return self.change("/undo", {name: unescape(value) for name, value in fields.items()})


def notice(answer: TestResponse) -> str:
    """Read the notice of a view; empty if it has none."""
    found = re.search(r'class="notice".*?<p>(.*?)</p>', answer.text, re.DOTALL)
    return unescape(found[1]) if found else ""
