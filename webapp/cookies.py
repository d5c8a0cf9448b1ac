"""Our cookies: for this host alone, out of reach of scripts, and not sent along by other sites."""

from datetime import timedelta

from flask import Response, request


def bound(name: str) -> str:
    """The prefix makes the browser refuse the cookie from anywhere but this host, by https."""
    return f"__Host-{name}" if request.is_secure else name


def keep(response: Response, name: str, value: str, lasts: timedelta | None = None) -> None:
    """Let the browser keep it so long, or until it is closed."""
    response.set_cookie(
        name,
        value,
        max_age=int(lasts.total_seconds()) if lasts else None,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
        path="/",
    )


def forget(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=request.is_secure, httponly=True, samesite="Lax")
