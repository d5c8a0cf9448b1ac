"""Tickets: what a page shows, beside its cookie, to open a websocket."""

from flask import Response, current_app, jsonify

from models.errors import Forbidden
from models.policy import SIGNED_IN
from realtime import tickets
from webapp.auth import policy, principal
from webapp.limits import ApiBlueprint
from webapp.schemas import Ticket

bp = ApiBlueprint("sockets", __name__, url_prefix="/api", description="Websockets")


@bp.post("/socket/ticket")
@policy(SIGNED_IN)
@bp.response(200, Ticket)
def ticket() -> Response:
    """A ticket for this session, good for 30 seconds. Programs with a token read streams over HTTP."""
    session_id = principal().session_id
    if session_id is None:
        raise Forbidden("a token reads streams over HTTP")
    return jsonify({"ticket": tickets.issue(current_app.config["SECRET_KEY"], session_id)})
