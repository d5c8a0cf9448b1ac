"""The page that an invitation opens."""

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from models.base import db
from models.policy import OPEN
from webapp import accounts, devices
from webapp.auth import current_user, policy, principal, set_session_cookie
from webapp.forms import shown_again

bp = Blueprint("invites", __name__)


@bp.get("/invites/<secret>")
@policy(OPEN)
def show(secret: str) -> Response:
    return _page(secret)


def _page(secret: str) -> Response:
    invite = accounts.open_invite(secret)
    principal()
    html = render_template("invites/show.html", secret=secret, invite=invite, current_user=g.get("user"))
    response = make_response(html)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@bp.post("/invites/<secret>")
@policy(OPEN)
@shown_again(_page)
def accept(secret: str) -> AnyResponse:
    """Join as who is signed in, or with a new account."""
    signed_in = principal().session_id is not None
    project_key = accounts.open_invite(secret).project.key
    if signed_in:
        accounts.accept_invite(secret, current_user())
        db.session.commit()
        return redirect(f"/{project_key}/", 303)
    db.session.rollback()  # nothing is held while the password is hashed
    said = request.form
    user = accounts.accept_as_new(
        secret, said.get("name", ""), said.get("email", ""), said.get("password", "")
    )
    _, cookie = accounts.start_session(user, None)
    response = make_response(redirect(f"/{project_key}/", 303))
    set_session_cookie(response, cookie, remember=True)
    devices.remember(response, user)
    return response
