"""Reactions: one of each kind per person and message."""

from uuid import UUID

from flask import Response

from models.base import db
from webapp import visible
from webapp.auth import current_user, policy, require
from webapp.limits import ApiBlueprint

bp = ApiBlueprint("reactions", __name__, url_prefix="/api", description="Reactions to messages")


@bp.put("/messages/<uuid:message_id>/reactions/<emoji>")
@policy("message.react")
@bp.response(204)
def add(message_id: UUID, emoji: str) -> Response:
    """React; a second time changes nothing."""
    message = visible.message(message_id)
    require("message.react", message.project_id)
    message.react(current_user(), emoji)
    db.session.commit()
    return Response(status=204)


@bp.delete("/messages/<uuid:message_id>/reactions/<emoji>")
@policy("message.react")
@bp.response(204)
def remove(message_id: UUID, emoji: str) -> Response:
    """Take a reaction back; without one nothing happens."""
    message = visible.message(message_id)
    require("message.react", message.project_id)
    message.unreact(current_user(), emoji)
    db.session.commit()
    return Response(status=204)
