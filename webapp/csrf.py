"""Proof that a change was asked for by our own page: a token bound to the session, and the browser's word."""

import hmac
import secrets

from flask import Flask, Response, current_app, g, has_request_context, request

from models.errors import Forbidden
from realtime.hardening import is_ours
from webapp import cookies
from webapp.limits import READS

VISITOR = "tr_visitor"
FIELD, HEADER = "csrf_token", "X-CSRF-Token"


def session_cookie_name() -> str:
    return cookies.bound("tr_sid")


def bearer() -> bool:
    return "Authorization" in request.headers


def csrf_token() -> str:
    """The token for this session, or for a visitor's forms; empty where no request is (pushed partials)."""
    if not has_request_context():
        return ""
    owner = request.cookies.get(session_cookie_name()) or _visitor()
    return token_for(owner)


def token_for(owner: str) -> str:
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.digest(key, f"csrf\n{owner}".encode(), "sha256").hex()


def _visitor() -> str:
    """Who is signed in nowhere gets a random name, so that nobody can sign him in by another's form."""
    if "visitor" not in g:
        g.visitor = request.cookies.get(VISITOR) or secrets.token_urlsafe(16)
    visitor: str = g.visitor
    return visitor


def protect() -> None:
    """Refuse a change that another site may have caused; programs with a token send no cookie to abuse."""
    if request.method in READS or bearer():
        return
    _check_browser()
    owner = request.cookies.get(session_cookie_name())
    if owner is None and request.path.startswith("/api/"):
        return  # nothing that a browser adds by itself gives any right here
    given = request.headers.get(HEADER) or (
        "" if request.path.startswith("/api/") else request.form.get(FIELD, "")
    )
    expected = token_for(owner or request.cookies.get(VISITOR) or "")
    known = owner is not None or VISITOR in request.cookies
    if not known or not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise Forbidden("this form is too old: load the page again")


def _check_browser() -> None:
    origin = request.headers.get("Origin")
    asked, public_url = request.host_url.rstrip("/"), current_app.config["PUBLIC_URL"]
    if origin is not None and not is_ours(origin, asked, public_url):
        raise Forbidden("this request came from another site")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this request came from another site")


def install(app: Flask) -> None:
    app.jinja_env.globals["csrf_token"] = csrf_token
    app.before_request(protect)

    @app.after_request
    def remember(response: Response) -> Response:
        if "visitor" in g and VISITOR not in request.cookies:
            cookies.keep(response, VISITOR, g.visitor)
        return response
