"""What every answer tells the browser: run nothing that is not ours, keep nothing, show us in no frame."""

import secrets
from urllib.parse import quote

from flask import Flask, Response, g, request

from webapp.assets import assets

_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def csp_nonce() -> str:
    """This request's nonce for style-src; a script never gets one (hotwired/turbo#1476)."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    nonce: str = g.csp_nonce
    return nonce


def page_policy() -> str:
    return (
        f"default-src 'none'; script-src 'self' '{assets().importmap_hash}'; "
        f"style-src 'self' 'nonce-{csp_nonce()}'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def disposition(name: str, kind: str = "attachment") -> str:
    """Content-Disposition for a file of this name, whatever letters it has: a header takes few of them."""
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"


def install(app: Flask) -> None:
    app.context_processor(lambda: {"csp_nonce": csp_nonce()})

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        page = response.mimetype == "text/html"
        headers.setdefault("Content-Security-Policy", page_policy() if page else _NOTHING)
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        headers.setdefault("Referrer-Policy", "same-origin")
        if request.is_secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            # Everything else may be somebody's: a shared cache must neither keep nor mix it.
            headers.setdefault("Cache-Control", "no-store, private")
            response.vary.add("Cookie")
        return response
