"""A POST repeated under the same Idempotency-Key is carried out once and answered the same."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response, current_app, g, request
from sqlalchemy.exc import IntegrityError

from models.base import db
from models.errors import Conflict
from models.limits import IdempotencyKey
from models.text import invalid

HEADER = "Idempotency-Key"
LONGEST = 128
PLACES = frozenset({"thread_id", "message_id", "delivery_id", "proposal_id", "task_id", "skill_id"})
"""What an address without a project may name instead, so that a repeat can be asked whether it may."""


def once(right: str, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The view's answer, or the one that it gave before to this principal's key."""
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST" or "principal" not in g or not is_of_api(request.path):
        return view(*args, **kwargs)
    who, request_hash = g.principal.key, _hash()
    row = IdempotencyKey.answered(who, _checked(key), request_hash)
    if row is not None:
        if not g.get("checked"):
            _ask_again(right, kwargs)
        return _replay(row)
    # Written in the view's own transaction: the key and the effect are committed together or not at all.
    row = IdempotencyKey(principal=who, key=key, request_hash=request_hash, status=0, answer=None)
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        raise Conflict("this request is being carried out already") from None
    response: Any = current_app.make_response(view(*args, **kwargs))
    if response.status_code < 400 and not g.get("shown_once"):
        row.status, row.answer = response.status_code, response.get_json(silent=True)
        db.session.commit()
    return response


def shown_once() -> None:
    """The view's answer holds a secret: it is not kept, and a repeat is told so."""
    g.shown_once = True


def is_of_api(path: str) -> bool:
    return path.startswith("/api/")


def _checked(key: str) -> str:
    if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
        raise invalid(HEADER, f"must be 1 to {LONGEST} printable ASCII characters")
    return key


def _hash() -> str:
    said = f"{request.method} {request.full_path}\n".encode() + request.get_data(cache=True)
    return hashlib.sha256(said).hexdigest()


def _ask_again(right: str, kwargs: dict[str, Any]) -> None:
    """The first answer was given after the view's own check, and what it allowed may have ended since."""
    from webapp import auth, visible

    finders: dict[str, Callable[[UUID], Any]] = {
        "thread_id": visible.thread,
        "message_id": visible.message,
        "delivery_id": visible.own_work if g.principal.agent_key else visible.delivery,
        "proposal_id": visible.proposal,
        "task_id": visible.task_of_id,
        "skill_id": visible.skill,
    }
    for name in PLACES & kwargs.keys():
        auth.require(right, finders[name](kwargs[name]).project_id)


def _replay(row: IdempotencyKey) -> Response:
    if row.status == 0:
        raise Conflict("this was carried out already, and its answer cannot be shown again")
    response: Any = current_app.json.response(row.answer)
    response.status_code = row.status
    response.headers["Idempotent-Replayed"] = "true"
    return response
