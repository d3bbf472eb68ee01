"""Define the body of an error (RFC 9457)."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from flask_irl.admin.schemas.fields import described


class ProblemSchema(ma.Schema):
    """Describe an error."""

    type = fields.String(required=True, metadata=described("Kind of the problem.", "about:blank"))
    title = fields.String(required=True, metadata=described("The status in words.", "Not Found"))
    status = fields.Integer(required=True, metadata=described("The status.", 404))
    detail = fields.String(
        required=True,
        metadata=described("Explanation for people.", "No client of that id is known."),
    )
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata=described("Errors by field; `body` is the whole body."),
    )
