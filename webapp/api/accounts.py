"""One's own account and sessions, and the members of a project, over HTTP."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields

from models.base import db
from models.policy import SIGNED_IN
from models.session import UserSession
from models.user import Membership
from realtime.registry import PUBLISHED
from webapp import accounts, idempotency
from webapp.auth import current_session, current_user, policy, principal, projects
from webapp.csrf import csrf_token
from webapp.limits import ApiBlueprint

bp = ApiBlueprint("accounts", __name__, url_prefix="/api", description="People, sessions and members")


class Me(ma.Schema):
    id = fields.UUID()
    name = fields.String()
    email = fields.String()
    handle = fields.String()
    csrf_token = fields.String(metadata={"description": "What this session sends as X-CSRF-Token"})
    projects = fields.List(fields.Dict())


class NewPassword(ma.Schema):
    current = fields.String(required=True)
    password = fields.String(required=True, metadata={"minLength": 12, "maxLength": 128})


class Password(ma.Schema):
    password = fields.String(required=True, metadata={"maxLength": 128})


class Role(ma.Schema):
    role = fields.String(required=True, metadata={"enum": ["viewer", "member", "operator", "owner"]})


class Member(ma.Schema):
    user_id = fields.UUID()
    name = fields.String()
    handle = fields.String()
    initials = fields.String()
    active = fields.Boolean()
    role = fields.String()
    email = fields.String(metadata={"description": "Owners see it"})


class MemberList(ma.Schema):
    members = fields.List(fields.Nested(Member))


class SessionList(ma.Schema):
    sessions = fields.List(fields.Dict())


class Link(ma.Schema):
    url = fields.String(metadata={"description": "Shown once"})


# --- one's own ---


@bp.get("/me")
@policy(SIGNED_IN)
@bp.response(200, Me)
def me() -> Response:
    """Who you are, and your role in each project."""
    user = current_user()
    mine = [
        {"id": str(each.id), "key": each.key, "name": each.name, "role": principal().role_in(each.id)}
        for each in projects().values()
    ]
    said = {"id": str(user.id), "name": user.name, "email": user.email, "handle": user.handle}
    return jsonify(said | {"csrf_token": csrf_token(), "projects": mine})


@bp.put("/me/password")
@policy(SIGNED_IN)
@bp.arguments(NewPassword)
@bp.response(204)
def change_password(said: dict[str, str]) -> None:
    """Change the password; every other session ends."""
    accounts.change_password(current_user(), said["current"], said["password"], keep=current_session().id)


@bp.post("/me/confirm")
@policy(SIGNED_IN)
@bp.arguments(Password)
@bp.response(204)
def confirm(said: dict[str, str]) -> None:
    """Type the password once more, where something needs a sign-in of the last 15 minutes."""
    accounts.confirm(current_user(), current_session(), said["password"])


@bp.get("/sessions")
@policy(SIGNED_IN)
@bp.response(200, SessionList)
def sessions() -> Response:
    """Where you are signed in."""
    current = current_session().id
    row = PUBLISHED["user_sessions"].row
    said = [row(each) | {"current": each.id == current} for each in accounts.own_sessions()]
    return jsonify({"sessions": said})


@bp.delete("/sessions/<uuid:session_id>")
@policy(SIGNED_IN)
@bp.response(204)
def revoke_session(session_id: UUID) -> None:
    """Sign out there; it takes effect within a second."""
    accounts.sign_out(accounts.own_session(session_id))
    db.session.commit()


@bp.delete("/sessions")
@policy(SIGNED_IN)
@bp.response(204)
def revoke_others() -> None:
    """Sign out everywhere but here."""
    accounts.note("sessions.revoked", "all but one")
    UserSession.revoke_all(current_user(), but=current_session().id)
    db.session.commit()


# --- members ---


def _member(membership: Membership) -> dict[str, Any]:
    user = membership.user
    said: dict[str, Any] = {
        "user_id": str(user.id),
        "name": user.name,
        "handle": user.handle,
        "initials": user.initials,
        "active": user.active,
        "role": membership.role,
    }
    if principal().may("member.manage", membership.project_id):
        said["email"] = user.email
    return said


@bp.get("/projects/<uuid:project_id>/members")
@policy("project.read")
@bp.response(200, MemberList)
def members(project_id: UUID) -> Response:
    """Who is in the project, by name."""
    return jsonify({"members": [_member(each) for each in accounts.members(project_id)]})


@bp.patch("/projects/<uuid:project_id>/members/<uuid:user_id>")
@policy("member.manage", fresh=True)
@bp.arguments(Role)
@bp.response(200, Member)
def change_role(said: dict[str, str], project_id: UUID, user_id: UUID) -> Response:
    """Give another role; a project keeps an owner."""
    member = accounts.membership_of(project_id, user_id)
    accounts.change_role(member, said["role"])
    db.session.commit()
    return jsonify(_member(member))


@bp.delete("/projects/<uuid:project_id>/members/<uuid:user_id>")
@policy("member.manage", fresh=True)
@bp.response(204)
def remove(project_id: UUID, user_id: UUID) -> None:
    """Take out of the project; what the person wrote stays."""
    accounts.remove(accounts.membership_of(project_id, user_id))
    db.session.commit()


@bp.put("/projects/<uuid:project_id>/members/<uuid:user_id>/deactivation")
@policy("member.manage", fresh=True)
@bp.response(200, Member)
def deactivate(project_id: UUID, user_id: UUID) -> Response:
    """Close the account: sessions and tokens end within a second."""
    member = accounts.membership_of(project_id, user_id)
    accounts.deactivate(member)
    db.session.commit()
    return jsonify(_member(member))


@bp.delete("/projects/<uuid:project_id>/members/<uuid:user_id>/deactivation")
@policy("member.manage", fresh=True)
@bp.response(200, Member)
def reactivate(project_id: UUID, user_id: UUID) -> Response:
    """Open the account again; ended sessions and tokens stay ended."""
    member = accounts.membership_of(project_id, user_id)
    accounts.reactivate(member)
    db.session.commit()
    return jsonify(_member(member))


@bp.post("/projects/<uuid:project_id>/members/<uuid:user_id>/reset")
@policy("member.manage", fresh=True)
@bp.response(201, Link)
def reset(project_id: UUID, user_id: UUID) -> tuple[Response, int]:
    """A link with which the person sets a new password, once, within a day."""
    idempotency.shown_once()
    url = accounts.link_for_reset(accounts.membership_of(project_id, user_id))
    db.session.commit()
    return jsonify({"url": url}), 201
