"""Signing in and out, and a new password by a one-time link."""

import time

from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request
from sqlalchemy import exists, select
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Response as AnyResponse

from models.base import db
from models.policy import OPEN, SIGNED_IN
from models.user import User
from webapp import accounts, ballast, devices
from webapp.auth import (
    current_session,
    forget_session_cookie,
    policy,
    principal,
    set_session_cookie,
)
from webapp.csrf import session_cookie_name
from webapp.errors import disk_is_full
from webapp.forms import shown_again

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
    who = principal()
    if who.kind == "person" and "next" not in request.args:
        return redirect("/", 303)
    email = g.user.email if who.kind == "person" else ""
    nobody = not db.session.scalar(select(exists().select_from(User)))
    return make_response(_form(email, nobody=nobody))


def _form(email: str = "", nobody: bool = False) -> str:
    going = safe_next(request.values.get("next"))
    return render_template("sessions/new.html", email=email, next=going, nobody=nobody)


@bp.post("/sign-in")
@policy(OPEN)
def create() -> AnyResponse:
    with accounts.turn_to_sign_in():
        answer = _create()
    if answer.status_code == 429:
        db.session.rollback()  # who waits holds nothing
        time.sleep(REFUSED_SECONDS)
    return answer


@shown_again(_form)
def _create() -> AnyResponse:
    said = request.form
    user, secret = _sign_in(said.get("email", ""), said.get("password", ""))
    return _enter(safe_next(said.get("next")), user, secret, remember=said.get("remember") == "on")


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


def _reset_form(token: str) -> Response:
    user = accounts.user_of_reset(token)
    response = make_response(render_template("sessions/reset.html", token=token, person=user))
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@bp.post("/reset/<token>")
@policy(OPEN)
@shown_again(_reset_form)
def set_password(token: str) -> Response:
    user = accounts.reset_password(token, request.form.get("password", ""))
    _, secret = accounts.start_session(user, request.cookies.get(session_cookie_name()))
    return _enter("/", user, secret)
