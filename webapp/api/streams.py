"""Streams over HTTP, for programs and where no websocket opens: the same cursor, the same policy."""

import time
from typing import Any

from flask import Response, g, jsonify

from models.base import db
from realtime import pump, streams
from webapp.auth import policy, principal
from webapp.limits import ApiBlueprint
from webapp.schemas import StreamPart, StreamPosition

bp = ApiBlueprint("streams", __name__, url_prefix="/api", description="What changed")

LOOK_EVERY = 0.2
"""Seconds between looks where no pump says when something came."""


@bp.get("/streams/<name>")
@policy("project.read")
@bp.arguments(StreamPosition, location="query")
@bp.response(200, StreamPart)
def read(position: dict[str, Any], name: str) -> Response:
    """What changed after `since`; when nothing did, waits up to `wait` seconds for the first change."""
    since, wait = position["since"], position["wait"]
    part = _read(name, since)
    if wait and part["items"] == []:
        _wait(name, since, wait)
        part = _read(name, since)
    return jsonify(part)


def _read(name: str, since: int | None) -> dict[str, Any]:
    """Rights are read anew each time: they may have been withdrawn while this waited."""
    db.session.rollback()
    g.pop("principal", None)
    if not streams.may_read(principal(), name):
        raise streams.refused(name)
    g.checked = True
    return streams.catch_up(name, since)


def _wait(name: str, since: int, seconds: float) -> None:
    """Holds no database session meanwhile."""
    db.session.close()
    if (follower := pump.current()) is not None:
        follower.wait(name, since, seconds)
        return
    until = time.monotonic() + seconds
    while time.monotonic() < until and streams.head(name) <= since:
        db.session.close()
        time.sleep(LOOK_EVERY)
