"""Every refusal as one answer: JSON for programs, a page for people, and never a stack trace."""

import sqlite3
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from flask import Flask, Response, g, jsonify, redirect, render_template, request
from marshmallow import ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from models import errors
from models.base import db, reading

STATUS: dict[type[errors.DomainError], int] = {
    errors.Invalid: 422,
    errors.TooLarge: 413,
    errors.Conflict: 409,
    errors.NotFound: 404,
    errors.Forbidden: 403,
    errors.SignInNeeded: 401,
    errors.TooMany: 429,
    errors.Busy: 503,
    errors.DiskFull: 507,
    errors.ExecutorOffline: 503,
}
TITLES = {
    400: "That request could not be read",
    401: "Sign in first",
    403: "Your role may not do this",
    404: "There is nothing here",
    405: "That is not possible here",
    409: "Somebody was first",
    413: "That is too large",
    414: "That address is too long",
    415: "That kind of content is not taken",
    422: "Something in it is not right",
    429: "Too many attempts",
    500: "Something broke on our side",
    503: "Try again in a moment",
    507: "The disk is full",
}
CODES = {
    400: "bad_request",
    401: "sign_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    414: "address_too_long",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many",
    500: "internal",
    503: "busy",
    507: "disk_full",
}
NEXT_LIMIT = 2000

Fields = dict[str, list[str]]


def install(app: Flask) -> None:
    app.register_error_handler(errors.DomainError, _domain)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(ValidationError, _validation)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(sqlite3.OperationalError, _database)
    app.register_error_handler(PoolTimeout, _busy)
    app.log_exception = lambda exc_info: None  # type: ignore[method-assign]  # _unexpected does, once


def answer(
    status: int,
    message: str,
    *,
    code: str | None = None,
    fields: Fields | None = None,
    retry_after: int | None = None,
    row: dict[str, Any] | None = None,
) -> Response:
    """The answer to a refused request, in the form that the asker reads."""
    code = code or CODES.get(status, "refused")
    if wants_json():
        said: dict[str, Any] = {"error": {"code": code, "message": message, "fields": fields or {}}}
        if row is not None:
            said["row"] = row
        response = jsonify(said)
    else:
        response = Response(
            render_template(
                "errors/error.html",
                status=status,
                title=TITLES.get(status, "That did not work"),
                message=message,
                request_id=g.get("request_id"),
            ),
            mimetype="text/html",
        )
    response.status_code = status
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def wants_json() -> bool:
    return request.path.startswith(("/api/", "/healthz", "/readyz"))


def _domain(error: errors.DomainError) -> BaseResponse:
    db.session.rollback()
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if not wants_json() and error.code in ("sign_in", "reauthenticate"):
        return _to_sign_in()
    retry_after = 1 if isinstance(error, errors.Busy) else getattr(error, "retry_after", None)
    with reading():  # who lost does not wait for the lock of somebody who writes
        row = _as_published(error.row) if isinstance(error, errors.Conflict) else None
    return answer(
        status, error.message, code=error.code, fields=error.fields, retry_after=retry_after, row=row
    )


def _to_sign_in() -> BaseResponse:
    """To the form, and from there back to what was asked, or to the page whose form was sent."""
    asked = request.full_path.rstrip("?") if request.method == "GET" else _page_before()
    if len(asked) > NEXT_LIMIT:
        asked = "/"
    return redirect(f"/sign-in?next={quote(asked, safe='/?=')}" if asked else "/sign-in", 303)


def _page_before() -> str:
    try:
        before = urlsplit(request.referrer or "")
    except ValueError:  # an open bracket in the place of the host
        return "/"
    return before.path if before.netloc == request.host else "/"


def _as_published(row: Any) -> dict[str, Any] | None:
    """The row as streams and the API show it, so that the loser of a race sees what stands."""
    from realtime.registry import PUBLISHED

    published = PUBLISHED.get(getattr(row, "__tablename__", ""))
    return published.row(row) if published else None


def _http(error: HTTPException) -> BaseResponse:
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()
    if error.code >= 500 and getattr(error, "original_exception", None) is not None:
        return _unexpected(error)
    data: dict[str, Any] = getattr(error, "data", None) or {}
    fields = flat(data.get("messages") or {})
    message = _sentence(fields) or _words_of(error)
    response = answer(error.code, message, fields=fields)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _words_of(error: HTTPException) -> str:
    return {
        404: "not found",
        405: "this address does not take that method",
        413: f"the request is larger than the {request.max_content_length or 0:,} bytes that are taken here",
        414: "this address is too long",
    }.get(error.code or 0, error.description or error.name)


def _unexpected(error: HTTPException) -> Response:
    original = error.original_exception  # type: ignore[attr-defined]
    db.session.rollback()
    structlog.get_logger("web").error(
        "unhandled", rule=str(request.url_rule), error=type(original).__name__, exc_info=original
    )
    return answer(500, f"the error was written down as {g.get('request_id', 'unknown')}")


def _validation(error: ValidationError) -> Response:
    db.session.rollback()
    messages = error.messages if isinstance(error.messages, dict) else {"_": error.messages}
    fields = flat(messages)
    return answer(422, _sentence(fields) or "something in it is not right", fields=fields)


def flat(messages: dict[str, Any], prefix: str = "") -> Fields:
    """Marshmallow's nested messages as field → sentences; the name of the location is left out."""
    fields: Fields = {}
    for key, value in messages.items():
        name = prefix if not prefix and key in ("json", "query", "form", "headers") else f"{prefix}{key}"
        if key == "_schema":  # said of the whole, which has no name besides
            name = prefix.removesuffix(".")
        if isinstance(value, dict):
            fields.update(flat(value, f"{name}." if name else ""))
        else:
            sentences = [value] if isinstance(value, str) else [str(each) for each in value]
            fields[name or "body"] = sentences
    return fields


def _sentence(fields: Fields) -> str:
    return next((f"{name}: {sentences[0]}" for name, sentences in fields.items() if sentences), "")


def _busy(error: Exception) -> BaseResponse:
    return _domain(errors.Busy("the database is busy, try again in a moment"))


def disk_is_full(error: Exception) -> bool:
    original: Any = error.orig if isinstance(error, DBAPIError) else error
    return _name(original) in ("SQLITE_FULL", "53100")


def _name(original: Any) -> str:
    return getattr(original, "sqlite_errorname", "") or getattr(original, "sqlstate", "") or ""


def _database(error: Exception) -> BaseResponse:
    """What the database refused: full, busy or away each has its answer, the rest is a bug of ours."""
    original: Any = error.orig if isinstance(error, DBAPIError) else error
    name = _name(original)
    if disk_is_full(error):
        db.session.rollback()
        return answer(507, "the disk is full: nothing was changed, and reading still works")
    if name in ("SQLITE_CONSTRAINT_UNIQUE", "23505"):
        return _domain(errors.Conflict("somebody did the same at this moment: look again"))
    away = isinstance(error, DBAPIError) and error.connection_invalidated
    if (
        away
        or name.startswith("SQLITE_BUSY")
        or name[:2] in ("08", "53", "57")
        or name in ("40001", "40P01", "55P03")
    ):
        return _busy(error)
    if not name and not isinstance(error, IntegrityError) and type(original).__name__ == "OperationalError":
        return _busy(error)  # psycopg could not connect at all
    raise error
