"""Signing in and out, and a new password by a one-time link."""

import time

from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request
from sqlalchemy import exists, select
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Response as AnyResponse

from models.base import db
from models.errors import Invalid, TooMany
from models.policy import OPEN, SIGNED_IN
from models.user import User
from webapp import accounts, ballast, devices
from webapp.auth import (
    current_session,
    forget_session_cookie,
    only_read_from_here,
    policy,
    principal,
    set_session_cookie,
)
from webapp.csrf import session_cookie_name
from webapp.errors import disk_is_full

bp = Blueprint("sessions", __name__)

REFUSED_SECONDS = 0.25
"""How long the answer waits that says "too often": a flood must gain no speed by being refused."""


def safe_next(path: str | None) -> str:
    """A path of ours to go on to; anything that could lead elsewhere becomes the first page."""
    path = path or ""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if ours and "\\" not in path else "/"


@bp.get("/sign-in")
@policy(OPEN)
def new() -> AnyResponse:
    """The form; who is signed in already comes here to show that it is still the same person."""
    going = safe_next(request.args.get("next"))
    who = principal()
    if who.kind == "person" and "next" not in request.args:
        return redirect("/", 303)
    email = g.user.email if who.kind == "person" else ""
    nobody = not db.session.scalar(select(exists().select_from(User)))
    return make_response(_form(email, going, nobody=nobody))


def _form(email: str, going: str, error: str | None = None, nobody: bool = False) -> str:
    return render_template("sessions/new.html", email=email, next=going, error=error, nobody=nobody)


@bp.post("/sign-in")
@policy(OPEN)
def create() -> AnyResponse:
    with accounts.turn_to_sign_in():
        answer = _create()
    if answer.status_code == 429:
        db.session.rollback()  # who waits holds nothing
        time.sleep(REFUSED_SECONDS)
    return answer


def _create() -> AnyResponse:
    email, password = request.form.get("email", ""), request.form.get("password", "")
    going = safe_next(request.form.get("next"))
    try:
        user, secret = _sign_in(email, password)
    except (Invalid, TooMany) as error:
        db.session.rollback()
        response = make_response(_form(email[:254], going, error.message))
        response.status_code = 429 if isinstance(error, TooMany) else 422
        if isinstance(error, TooMany):
            response.headers["Retry-After"] = str(error.retry_after)
        return response
    return _enter(going, user, secret, remember=request.form.get("remember") == "on")


def _sign_in(email: str, password: str) -> tuple[User, str]:
    """Who it is, and the new session's secret.

    A full disk gives up reserved room for it: somebody must get in to help.
    """
    old = request.cookies.get(session_cookie_name())
    try:
        return accounts.sign_in(email, password, old)
    except OperationalError as error:
        db.session.rollback()
        if not (disk_is_full(error) and ballast.let_go(current_app.config["DATABASE_URL"])):
            raise
        return accounts.sign_in(email, password, old)


def _enter(going: str, user: User, secret: str, remember: bool = True) -> Response:
    response = make_response(redirect(going, 303))
    set_session_cookie(response, secret, remember)
    devices.remember(response, user, remember)
    return response


@bp.post("/sign-out")
@policy(SIGNED_IN)
def delete() -> Response:
    accounts.sign_out(current_session())
    db.session.commit()
    response = make_response(redirect("/sign-in", 303))
    forget_session_cookie(response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@bp.get("/reset/<token>")
@policy(OPEN)
def reset(token: str) -> Response:
    return _reset_form(token)


def _reset_form(token: str, errors: dict[str, list[str]] | None = None) -> Response:
    user = accounts.user_of_reset(token)
    html = render_template("sessions/reset.html", token=token, person=user, errors=errors or {})
    response = make_response(html, 422 if errors else 200)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@bp.post("/reset/<token>")
@policy(OPEN)
def set_password(token: str) -> Response:
    try:
        user = accounts.reset_password(token, request.form.get("password", ""))
    except Invalid as error:
        db.session.rollback()
        only_read_from_here()
        return _reset_form(token, error.fields)
    _, secret = accounts.start_session(user, request.cookies.get(session_cookie_name()))
    return _enter("/", user, secret)
