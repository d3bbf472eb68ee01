"""Show the models, put one in force, train, and tell what another threshold would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Response, request
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.pages.access import visitor
from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.forms import DURATIONS, done, field, reason, seconds, whole
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.pages.views.clients import notice_values
from flask_irl.admin.state import current_admin
from flask_irl.errors import ConfigurationError
from flask_irl.operations.preview_results import ThresholdPreview

FEATURES: Final = 12
"""Features that are listed, of those that tell clients apart most."""


@pages.get("/page/models")
def models() -> Response:
    """List the models that are kept, and describe the one in force."""
    operations = current_admin().operations
    model = operations.models.describe()
    preview, error = _preview(request.args.get("threshold", "").strip())
    return page(
        "models.html",
        model=model,
        versions=operations.models.versions(),
        realised=operations.models.realised() if model["trained"] else None,
        features=operations.models.features_in_use()[:FEATURES],
        flagged=operations.site.stats()["flagged_clients"],
        preview=preview,
        error=error,
        threshold=model["threshold"],
        **notice_values(),
    )


@pages.post("/page/models")
def change_models() -> Response | BaseResponse:
    """Roll back, unpin or train, once the operator has seen what that does."""
    operations, who = current_admin().operations, visitor().who
    action = field("action")
    if action not in ("rollback", "unpin", "train"):
        raise BadRequest("There is no such action.")
    if field("sure") != "1":
        return page(
            "confirm_model.html",
            action=action,
            version=field("version")[:9],
            model=operations.models.describe(),
            entry=_entry_of(field("version")) if action == "rollback" else None,
            durations=DURATIONS,
        )
    if action == "train":
        operations.models.start_training(who)
        return done("models", "")
    if action == "unpin":
        if operations.models.unpin(who, reason()) is None:
            raise NotFound("No model is pinned.")
        return done("models", None)
    version = whole("version", field("version"))
    period = seconds() if field("seconds") else None
    if operations.models.rollback(version, who, seconds=period, reason=reason()) is None:
        raise NotFound(f"Model {version} is not kept.")
    return done("models", str(version))


def _entry_of(text: str) -> Mapping[str, Any]:
    version = whole("version", text)
    for entry in current_admin().operations.models.versions():
        if entry["version"] == version:
            return entry
    raise NotFound(f"Model {version} is not kept.")


def _preview(text: str) -> tuple[ThresholdPreview | None, str]:
    if not text:
        return None, ""
    try:
        return current_admin().operations.what_if.threshold(text), ""
    except ConfigurationError as error:
        return None, f"{error}."
