"""Projects over HTTP: mine, a new one, put away and taken out again."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields

from models.base import db
from models.policy import SIGNED_IN
from realtime.registry import PUBLISHED
from webapp import accounts
from webapp.auth import current_project, policy, principal, projects
from webapp.limits import ApiBlueprint

bp = ApiBlueprint("projects", __name__, url_prefix="/api", description="Projects")

says = PUBLISHED["projects"].row


class NewProject(ma.Schema):
    name = fields.String(required=True, metadata={"maxLength": 80})
    key = fields.String(load_default=None, allow_none=True, metadata={"description": "Made of the name"})


class ProjectEdit(ma.Schema):
    name = fields.String(metadata={"maxLength": 80})
    default_agent_key = fields.String(
        allow_none=True, metadata={"description": "Whom a message goes to that names nobody; null: nobody"}
    )

    @ma.validates_schema
    def _names_something(self, said: dict[str, Any], **kwargs: Any) -> None:
        if not said:
            raise ma.ValidationError("name what changes", "name")


class ProjectRow(ma.Schema):
    id = fields.UUID()
    key = fields.String()
    name = fields.String()
    default_agent_key = fields.String(allow_none=True)
    archived_at = fields.DateTime(allow_none=True)
    created_at = fields.DateTime()


class ProjectList(ma.Schema):
    projects = fields.List(fields.Nested(ProjectRow))


@bp.get("/projects")
@policy(SIGNED_IN)
@bp.response(200, ProjectList)
def index() -> Response:
    """The projects that you are in, by name, with your role."""
    mine = sorted(projects().values(), key=lambda each: (each.name, each.key))
    return jsonify({"projects": [says(each) | {"role": principal().role_in(each.id)} for each in mine]})


@bp.post("/projects")
@policy(SIGNED_IN)
@bp.arguments(NewProject)
@bp.response(201, ProjectRow)
def create(said: dict[str, str]) -> tuple[Response, int]:
    """A new project, which you own, with every labs flag off."""
    project = accounts.create_project(said["name"], said["key"])
    db.session.commit()
    return jsonify(says(project)), 201


@bp.get("/projects/<uuid:project_id>")
@policy("project.read")
@bp.response(200, ProjectRow)
def show(project_id: UUID) -> Response:
    """One project."""
    return jsonify(says(current_project()))


@bp.patch("/projects/<uuid:project_id>")
@policy("project.manage")
@bp.arguments(ProjectEdit)
@bp.response(200, ProjectRow)
def edit(said: dict[str, Any], project_id: UUID) -> Response:
    """Another name, or default agent; the key, which is in every address, stays."""
    project = current_project()
    if "name" in said:
        accounts.rename(project, said["name"])
    if "default_agent_key" in said:
        accounts.choose_default_agent(project, said["default_agent_key"])
    db.session.commit()
    return jsonify(says(project))


@bp.put("/projects/<uuid:project_id>/archive")
@policy("project.manage", fresh=True)
@bp.response(200, ProjectRow)
def archive(project_id: UUID) -> Response:
    """Put it away: nobody enters, nothing is deleted."""
    project = current_project()
    accounts.archive(project)
    db.session.commit()
    return jsonify(says(project))


@bp.delete("/projects/<uuid:project_id>/archive")
@policy(SIGNED_IN, fresh=True)
@bp.response(200, ProjectRow)
def unarchive(project_id: UUID) -> Response:
    """Take it out again; only an owner of it can."""
    project = accounts.unarchive(project_id)
    db.session.commit()
    return jsonify(says(project))
