"""Tell static files from what isn't there: the route of either is the same."""

from __future__ import annotations

import os
from typing import Any, Final

from flask import Blueprint, Flask, Request
from werkzeug.security import safe_join

MODULES: Final = ("flask.app", "flask.blueprints")
FLASK: Final[tuple[Any, Any]] = (Flask.send_static_file, Blueprint.send_static_file)


class StaticFiles:
    """Know the static files that a route of an app or a blueprint serves.

    Args:
        owner: The app or blueprint with the folder.
        view: The route's view.

    Attributes:
        known: Whether Flask itself serves them, so that it is known before which are there; else
            only the answer tells.
    """

    def __init__(self, owner: Flask | Blueprint, view: Any) -> None:
        # Flask's current_app stands for the app only while it serves a request.
        owner = getattr(owner, "_get_current_object", lambda: owner)()
        self._owner = owner
        plain = type(owner).send_static_file in FLASK and "send_static_file" not in vars(owner)
        # An app's view is a lambda of Flask's, a blueprint's is its method.
        function = getattr(view, "__func__", view)
        self.known = plain and getattr(function, "__globals__", {}).get("__name__") in MODULES

    def has(self, request: Request) -> bool:
        """Tell whether the file of a request is there, or may be."""
        name = (request.view_args or {}).get("filename")
        if not self.known or not isinstance(name, str):
            return True
        path = safe_join(self._owner.static_folder or "", name)
        return path is not None and os.path.isfile(path)
