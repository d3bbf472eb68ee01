"""Serve the endpoints on models."""

from __future__ import annotations

from typing import Any

from flask import url_for
from werkzeug.exceptions import Conflict, NotFound

from flask_irl.admin.blueprint import blueprint, operator
from flask_irl.admin.schemas.models import (
    ModelInfoSchema,
    ModelsSchema,
    RollbackSchema,
    TrainingSchema,
    UnpinSchema,
)
from flask_irl.admin.schemas.requests import RollbackRequest
from flask_irl.admin.state import current_admin
from flask_irl.errors import TrainingRefused
from flask_irl.operations.results import RollbackResult, UnpinResult


@blueprint.operation("GET", "/model-info", ModelInfoSchema, tag="models")
def model_info() -> dict[str, Any]:
    """Show the model in force, and those before it"""
    models = current_admin().operations.models
    return {**models.describe(), "history": models.versions()}


@blueprint.operation("POST", "/train", TrainingSchema, status=202, errors=(409,), tag="models")
def train() -> dict[str, Any]:
    """Train a model in the background

    Answers at once; the training takes a few seconds. `see` is the path of its result: the
    `version` there rises in all workers when the new model is in force, and `last_training` of this
    worker has the result. A model that would flag too many of the recent legitimate clients is kept
    aside, as is any while a version is pinned. 409 if there is too little to learn from yet, or a
    training is running.
    """
    try:
        start = current_admin().operations.models.start_training(operator())
    except TrainingRefused as error:
        raise Conflict(str(error)) from error
    return {**start, "see": url_for(".model_info")}


@blueprint.operation("GET", "/models", ModelsSchema, tag="models")
def models() -> dict[str, Any]:
    """List the models that are kept, the newest first"""
    return {"models": current_admin().operations.models.versions()}


@blueprint.operation(
    "POST",
    "/models/<irl_version:version>/rollback",
    RollbackSchema,
    body=RollbackRequest,
    errors=(404, 409),
    tag="models",
)
def rollback(change: dict[str, Any], version: int) -> RollbackResult:
    """Put a kept model in force, such as the one before, and pin it

    Holds in this worker at once, and in all others within two seconds. Until the pin ends,
    trainings go on, and their models are kept aside. 409 if the model can't be read.
    """
    return _rollback(version, change.get("seconds"), change["reason"])


@blueprint.operation(
    "POST",
    "/models/<irl_version:version>/activate",
    RollbackSchema,
    errors=(404, 409),
    deprecated=True,
    tag="models",
)
def activate_model(version: int) -> RollbackResult:
    """Put a kept model in force, and pin it until it is unpinned: the old name of `rollback`"""
    return _rollback(version, None, "")


@blueprint.operation("POST", "/models/unpin", UnpinSchema, errors=(404,), tag="models")
def unpin() -> UnpinResult:
    """Take the pin of a rollback back; the model stays in force until the next training"""
    result = current_admin().operations.models.unpin(operator())
    if result is None:
        raise NotFound("No model is pinned.")
    return result


def _rollback(version: int, seconds: float | None, reason: str) -> RollbackResult:
    models = current_admin().operations.models
    result = models.rollback(version, operator(), seconds=seconds, reason=reason)
    if result is None:
        raise NotFound(f"Model {version} is not kept: GET /models lists those that are.")
    return result
