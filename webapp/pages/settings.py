"""Settings of a project and of one's own account."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from models import labs as flags
from models.agent import Agent
from models.base import db
from models.errors import Invalid
from models.policy import TOKEN_RIGHTS
from models.session import UserSession
from webapp import accounts
from webapp.auth import (
    current_project,
    current_session,
    current_user,
    only_read_from_here,
    policy,
    principal,
)
from webapp.forms import shown_again
from webapp.pages import browsers
from webapp.rendering import page

bp = Blueprint("settings", __name__, url_prefix="/<project_key>/settings")


def _back(section: str) -> AnyResponse:
    return redirect(f"/{current_project().key}/settings/{section}", 303)


@bp.get("")
@policy("project.read")
def index(project_key: str) -> AnyResponse:
    return _back("labs" if principal().may("labs.manage", current_project().id) else "account")


# --- labs ---


@bp.get("/labs")
@policy("labs.manage")
def labs(project_key: str) -> str:
    return _labs()


def _labs() -> str:
    on = flags.read(current_project().id)
    shown = [
        {"key": key, "sentence": sentence, "on": on[key], "built": key in flags.BUILT}
        for key, sentence in flags.FLAGS.items()
    ]
    return page("settings/labs.html", labs=shown)


@bp.post("/labs")
@policy("labs.manage")
@shown_again(_labs)
def switch(project_key: str) -> AnyResponse:
    on = {"true": True, "false": False}.get(request.form.get("on", ""))
    flag = request.form.get("flag", "")
    if on is None:
        raise Invalid("on must be true or false", fields={"on": ["must be true or false"]})
    accounts.switch_labs(current_project().id, {flag: on})
    db.session.commit()
    return _back("labs")


# --- people ---


@bp.get("/people")
@policy("member.manage")
def people(project_key: str) -> str:
    return _people()


def _people(membership_id: UUID | None = None, invite_url: str | None = None) -> str:
    """All of them, also where the address names one."""
    project_id = current_project().id
    return page(
        "settings/people.html",
        memberships=accounts.members(project_id),
        invites=accounts.open_invites(project_id),
        invite_url=invite_url,
    )


@bp.post("/people/<uuid:membership_id>")
@policy("member.manage", fresh=True)
@shown_again(_people)
def change_role(project_key: str, membership_id: UUID) -> AnyResponse:
    member = accounts.membership(current_project().id, membership_id)
    accounts.change_role(member, request.form.get("role", ""))
    db.session.commit()
    return _back("people")


@bp.get("/people/<uuid:membership_id>")
@policy("member.manage")
def person(project_key: str, membership_id: UUID) -> str:
    return _person(membership_id)


def _person(membership_id: UUID, reset_url: str | None = None) -> str:
    member = accounts.membership(current_project().id, membership_id)
    return page(
        "settings/person.html",
        membership=member,
        governs=accounts.governs(member.user),
        reset_url=reset_url,
    )


@bp.get("/people/<uuid:membership_id>/reset")
@policy("member.manage")
def after_reset(project_key: str, membership_id: UUID) -> AnyResponse:
    """The page that showed the link, loaded again: the link is gone."""
    return _back(f"people/{membership_id}")


@bp.post("/people/<uuid:membership_id>/reset")
@policy("member.manage", fresh=True)
def reset(project_key: str, membership_id: UUID) -> Response:
    url = accounts.link_for_reset(accounts.membership(current_project().id, membership_id))
    only_read_from_here()
    return make_response(_person(membership_id, reset_url=url), 201)


@bp.post("/people/<uuid:membership_id>/close")
@policy("member.manage", fresh=True)
@shown_again(_person)
def close(project_key: str, membership_id: UUID) -> AnyResponse:
    accounts.deactivate(accounts.membership(current_project().id, membership_id))
    db.session.commit()
    return _back(f"people/{membership_id}")


@bp.post("/people/<uuid:membership_id>/reopen")
@policy("member.manage", fresh=True)
def reopen(project_key: str, membership_id: UUID) -> AnyResponse:
    accounts.reactivate(accounts.membership(current_project().id, membership_id))
    db.session.commit()
    return _back(f"people/{membership_id}")


@bp.post("/people/<uuid:membership_id>/end")
@policy("member.manage", fresh=True)
@shown_again(_people)
def remove(project_key: str, membership_id: UUID) -> AnyResponse:
    member = accounts.membership(current_project().id, membership_id)
    accounts.remove(member)
    db.session.commit()
    return _back("people")


@bp.get("/invites")
@policy("invite.manage")
def invites(project_key: str) -> AnyResponse:
    return _back("people")


@bp.post("/invites")
@policy("invite.manage", fresh=True)
@shown_again(_people)
def invite(project_key: str) -> Response:
    _, link = accounts.invite(current_project(), request.form.get("role", ""))
    only_read_from_here()
    return make_response(_people(invite_url=link), 201)


@bp.post("/invites/<uuid:invite_id>/revoke")
@policy("invite.manage")
def revoke_invite(project_key: str, invite_id: UUID) -> AnyResponse:
    accounts.revoke_invite(current_project().id, invite_id)
    db.session.commit()
    return _back("people")


# --- tokens ---


@bp.get("/tokens")
@policy("token.manage")
def tokens(project_key: str) -> str:
    return _tokens()


def _tokens(secret: str | None = None) -> str:
    project_id = current_project().id
    return page(
        "settings/tokens.html",
        tokens=accounts.living_tokens(project_id),
        agents=Agent.of_project(project_id),
        scopes={kind: sorted(rights) for kind, rights in TOKEN_RIGHTS.items()},
        secret=secret,
    )


@bp.post("/tokens")
@policy("token.manage", fresh=True)
@shown_again(_tokens)
def create_token(project_key: str) -> Response:
    said = request.form
    _, text = accounts.create_token(
        current_project().id,
        said.get("kind", ""),
        said.get("name", ""),
        agent_key=said.get("agent_key") or None,
        days=_days(said.get("days", "90")),
    )
    only_read_from_here()
    return make_response(_tokens(secret=text), 201)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 90:
        raise Invalid("a token lives 1 to 90 days", fields={"days": ["must be 1 to 90"]})
    return int(text)


@bp.post("/tokens/<uuid:token_id>/revoke")
@policy("token.manage")
def revoke_token(project_key: str, token_id: UUID) -> AnyResponse:
    accounts.revoke_token(current_project().id, token_id)
    db.session.commit()
    return _back("tokens")


# --- the project ---


@bp.get("/project")
@policy("project.manage")
def project(project_key: str) -> str:
    return _project()


def _project() -> str:
    return page("settings/project.html", agents=Agent.of_project(current_project().id))


@bp.post("/project")
@policy("project.manage")
@shown_again(_project)
def rename(project_key: str) -> AnyResponse:
    accounts.rename(current_project(), request.form.get("name", ""))
    db.session.commit()
    return _back("project")


@bp.post("/project/default-agent")
@policy("project.manage")
@shown_again(_project)
def choose_default_agent(project_key: str) -> AnyResponse:
    accounts.choose_default_agent(current_project(), request.form.get("default_agent_key") or None)
    db.session.commit()
    return _back("project")


@bp.post("/project/new")
@policy("project.manage")
@shown_again(_project)
def create_project(project_key: str) -> AnyResponse:
    try:
        made = accounts.create_project(request.form.get("new_name", ""), None)
    except Invalid as error:  # the page has another field of that name
        raise Invalid(error.message, fields={"new_name": error.fields["name"]}) from None
    db.session.commit()
    return redirect(f"/{made.key}/settings/labs", 303)


@bp.post("/project/archive")
@policy("project.manage", fresh=True)
def archive(project_key: str) -> AnyResponse:
    accounts.archive(current_project())
    db.session.commit()
    return redirect("/", 303)


@bp.get("/project/new")
@policy("project.manage")
def new_project(project_key: str) -> AnyResponse:
    return _back("project")


# --- one's own account ---


@bp.get("/account")
@policy("project.read")
def account(project_key: str) -> str:
    return _account()


def _account(saved: bool = False) -> str:
    shown = [_shown(session) for session in accounts.own_sessions()]
    return page("settings/account.html", sessions=shown, saved=saved)


def _shown(session: UserSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "created_at": session.created_at,
        "last_seen_at": session.seen_at,
        "user_agent": session.user_agent,
        "browser": browsers.called(session.user_agent),
        "ip": session.ip,
        "current": session.id == current_session().id,
    }


@bp.post("/account/password")
@policy("project.read")
@shown_again(_account)
def change_password(project_key: str) -> AnyResponse:
    said = request.form
    accounts.change_password(
        current_user(), said.get("current", ""), said.get("password", ""), current_session().id
    )
    only_read_from_here()
    return make_response(_account(saved=True), 201)


@bp.get("/account/password")
@policy("project.read")
def password(project_key: str) -> AnyResponse:
    return _back("account")


@bp.post("/account/sessions/<uuid:session_id>/revoke")
@policy("project.read")
def revoke_session(project_key: str, session_id: UUID) -> AnyResponse:
    current_session()
    accounts.sign_out(accounts.own_session(session_id))
    db.session.commit()
    return _back("account")


@bp.post("/account/sessions/revoke-others")
@policy("project.read")
def revoke_others(project_key: str) -> AnyResponse:
    accounts.note("sessions.revoked", "all but one")
    UserSession.revoke_all(current_user(), but=current_session().id)
    db.session.commit()
    return _back("account")
