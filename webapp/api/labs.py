"""Labs flags of a project over HTTP."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields

from models import labs
from models.base import db
from webapp import accounts
from webapp.auth import policy
from webapp.limits import ApiBlueprint

bp = ApiBlueprint("labs", __name__, url_prefix="/api", description="Labs flags")


class Flag(fields.Boolean):
    """True or false of JSON; to marshmallow, 1 and "yes" would be true as well."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


Flags = ma.Schema.from_dict(
    {flag: Flag(metadata={"description": sentence}) for flag, sentence in labs.FLAGS.items()},
    name="LabsFlags",
)


@bp.get("/projects/<uuid:project_id>/labs")
@policy("project.read")
@bp.response(200, Flags)
def show(project_id: UUID) -> Response:
    """Every flag, on or off."""
    return jsonify(labs.read(project_id))


@bp.put("/projects/<uuid:project_id>/labs")
@policy("labs.manage")
@bp.arguments(Flags)
@bp.response(200, Flags)
def switch(changes: dict[str, bool], project_id: UUID) -> Response:
    """Switch the flags that are named; the others stay."""
    flags = accounts.switch_labs(project_id, changes)
    db.session.commit()
    return jsonify(flags)
