"""Known devices: a browser in which somebody signed in is spared the limits that others use up."""

import secrets
from datetime import timedelta

from flask import Response, current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer

from models.limits import DEVICE
from models.secret import digest
from models.user import User
from webapp import cookies

LIFE = timedelta(days=90)


def cookie_name() -> str:
    return cookies.bound("tr_device")


def remember(response: Response, user: User, long: bool = True) -> None:
    """Make this browser known for this account, and for no other; `long` after the browser is closed, too."""
    said = _signer().dumps([secrets.token_urlsafe(16), _fingerprint(user)])
    cookies.keep(response, cookie_name(), said, LIFE if long else None)


def known(user: User | None) -> str | None:
    """Under what name attempts of this browser on this account are counted; None where it is not known."""
    text = request.cookies.get(cookie_name())
    if user is None or not text:
        return None
    try:
        device, fingerprint = _signer().loads(text, max_age=int(LIFE.total_seconds()))
    except BadData:
        return None
    return f"{DEVICE}{device}" if fingerprint == _fingerprint(user) else None


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="teamroom/device/v1")


def _fingerprint(user: User) -> str:
    """Of the account as it is: a new password, or signing out everywhere, makes all devices unknown."""
    return digest(f"device\n{user.id}\n{user.device_epoch}\n{user.password_hash}")[:32]
