"""Invites of a project over HTTP."""

from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields

from models.base import db
from realtime.registry import PUBLISHED
from webapp import accounts, idempotency
from webapp.api.accounts import Role
from webapp.auth import current_project, policy
from webapp.limits import ApiBlueprint

bp = ApiBlueprint("invitations", __name__, url_prefix="/api", description="Invites into a project")

says = PUBLISHED["invites"].row


class InviteList(ma.Schema):
    invites = fields.List(fields.Dict())


class NewInvite(ma.Schema):
    invite = fields.Dict()
    url = fields.String(metadata={"description": "Shown once"})


@bp.get("/projects/<uuid:project_id>/invites")
@policy("invite.manage")
@bp.response(200, InviteList)
def index(project_id: UUID) -> Response:
    """The invites that are still open, newest first."""
    return jsonify({"invites": [says(each) for each in accounts.open_invites(project_id)]})


@bp.post("/projects/<uuid:project_id>/invites")
@policy("invite.manage", fresh=True)
@bp.arguments(Role)
@bp.response(201, NewInvite)
def create(said: dict[str, str], project_id: UUID) -> tuple[Response, int]:
    """A link for one person, for 72 hours, with this role."""
    idempotency.shown_once()
    made, url = accounts.invite(current_project(), said["role"])
    db.session.commit()
    return jsonify({"invite": says(made), "url": url}), 201


@bp.delete("/projects/<uuid:project_id>/invites/<uuid:invite_id>")
@policy("invite.manage")
@bp.response(204)
def revoke(project_id: UUID, invite_id: UUID) -> None:
    """Take it back."""
    accounts.revoke_invite(project_id, invite_id)
    db.session.commit()
