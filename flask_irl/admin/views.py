"""The admin API's operations on the whole site: figures, limits, mode, models, audit log."""

from __future__ import annotations

from typing import Any

from flask import url_for
from werkzeug.exceptions import Conflict, NotFound

from flask_irl.admin.answers import (
    AuditSchema,
    LimitsSchema,
    ModeChangeSchema,
    ModeSchema,
    StatsSchema,
)
from flask_irl.admin.blueprint import blueprint, who
from flask_irl.admin.model_answers import ModelInfoSchema, ModelSchema, ModelsSchema, TrainingSchema
from flask_irl.admin.pages import offset_and_limit, page_answer
from flask_irl.admin.schemas import LimitsRequest, ModeRequest, PageQuery
from flask_irl.admin.state import current_admin
from flask_irl.errors import TrainingRefused

Paged = tuple[dict[str, Any], dict[str, str]]


@blueprint.operation("GET", "/stats", StatsSchema, tag="site")
def stats() -> dict[str, Any]:
    """How many requests there were, and what became of them"""
    return current_admin().operations.stats()


@blueprint.operation("GET", "/limits", LimitsSchema, tag="site")
def limits() -> dict[str, Any]:
    """The limits in force, for each step and route"""
    return _with_routes(current_admin().operations.limits())


@blueprint.operation("PUT", "/limits", LimitsSchema, body=LimitsRequest, tag="site")
def change_limits(changes: dict[str, Any]) -> dict[str, Any]:
    """Change limits while the site runs

    Holds in this worker at once, in all others within two seconds, and after restarts.
    """
    return _with_routes(current_admin().operations.set_limits(changes, who()))


@blueprint.operation("GET", "/mode", ModeSchema, tag="site")
def mode() -> dict[str, Any]:
    """Whether limits are enforced"""
    return {"mode": current_admin().operations.mode()}


@blueprint.operation("PUT", "/mode", ModeChangeSchema, body=ModeRequest, tag="site")
def change_mode(change: dict[str, Any]) -> dict[str, Any]:
    """Enforce, only watch, or switch off

    Holds in this worker at once, in all others within two seconds, and after restarts.
    """
    return current_admin().operations.set_mode(change["mode"], who())


@blueprint.operation("GET", "/audit", AuditSchema, query=PageQuery, paged=True, tag="site")
def audit(query: dict[str, Any]) -> Paged:
    """Who changed what, the latest first"""
    offset, limit = offset_and_limit(query)
    entries, total = current_admin().operations.audit(offset=offset, limit=limit)
    return page_answer("changes", entries, total, query)


@blueprint.operation("GET", "/model-info", ModelInfoSchema, tag="models")
def model_info() -> dict[str, Any]:
    """The model in force, and those before it"""
    operations = current_admin().operations
    return {**operations.model_info(), "history": operations.models()}


@blueprint.operation("POST", "/train", TrainingSchema, status=202, errors=(409,), tag="models")
def train() -> dict[str, Any]:
    """Train a model in the background

    Answers at once; the training takes a few seconds. `see` tells where its end is: the `version`
    there rises in all workers when the new model is in force, and `last_training` of this worker
    says how it ended. A model that would flag too many of the recent legitimate clients is kept
    aside. 409 if there is too little to learn from yet, or a training is running.
    """
    try:
        started = current_admin().operations.start_training(who())
    except TrainingRefused as error:
        raise Conflict(str(error)) from error
    return {**started, "see": url_for(".model_info")}


@blueprint.operation("GET", "/models", ModelsSchema, tag="models")
def models() -> dict[str, Any]:
    """The models that are kept, the newest first"""
    return {"models": current_admin().operations.models()}


@blueprint.operation(
    "POST", "/models/<irl_version:version>/activate", ModelSchema, errors=(404, 409), tag="models"
)
def activate_model(version: int) -> dict[str, Any]:
    """Put a model that is kept in force, such as the one before

    Holds in this worker at once, and in all others within two seconds. 409 if it can't be read.
    """
    entry = current_admin().operations.activate(version, who())
    if entry is None:
        raise NotFound(f"Model {version} is not kept: GET /models lists those that are.")
    return entry


def _with_routes(limits: dict[str, Any]) -> dict[str, Any]:
    routes = sorted(current_admin().routes(), key=lambda route: bool(route["exempt"]))
    return {**limits, "routes": routes}
