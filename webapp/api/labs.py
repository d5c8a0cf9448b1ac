"""Labs flags of a project over HTTP."""

from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify

from models import labs
from models.base import db
from webapp import accounts
from webapp.auth import policy
from webapp.limits import ApiBlueprint
from webapp.schemas import Flag

bp = ApiBlueprint("labs", __name__, url_prefix="/api", description="Labs flags")


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
