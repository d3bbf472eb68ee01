"""Show foreign text so that it does no harm."""

from __future__ import annotations


def printable(text: str, length: int = 200) -> str:
    """Escape control and other invisible characters, and cut the text to ``length``."""
    text = text[: length + 1]
    if not text.isprintable():
        text = "".join(
            c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text
        )
    return text if len(text) <= length else text[: length - 1] + "…"
