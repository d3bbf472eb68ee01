"""Prepare pages for the site: names that docstrings mark in reST are plain code there."""

from __future__ import annotations

import re


def on_page_content(html: str, **_: object) -> str:
    """Reduce reST's roles in a page's HTML, ``:class:`~a.b.Name```, to the name."""
    return re.sub(r":\w+:<code>(?:~[\w.]*\.)?([^<]+)</code>", r"<code>\1</code>", html)
