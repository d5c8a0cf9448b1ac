"""Deliveries: asking for one again, and ending one."""

from uuid import UUID

from flask import Response, jsonify

from models.base import db
from realtime.registry import PUBLISHED
from webapp import visible
from webapp.auth import current_user, policy, require
from webapp.limits import ApiBlueprint

bp = ApiBlueprint("deliveries", __name__, url_prefix="/api", description="Messages on their way to agents")

says = PUBLISHED["chat_delivery_queue"].row


@bp.post("/deliveries/<uuid:delivery_id>/retry")
@policy("delivery.retry")
@bp.response(200)
def retry(delivery_id: UUID) -> Response:
    """Queue a failed delivery again; 409 with the row when it has not failed, or its message was deleted."""
    delivery = visible.delivery(delivery_id)
    require("delivery.retry", delivery.project_id)
    delivery.retry(current_user().name)
    db.session.commit()
    return jsonify(says(delivery))


@bp.post("/deliveries/<uuid:delivery_id>/regenerate")
@policy("delivery.retry")
@bp.response(200)
def regenerate(delivery_id: UUID) -> Response:
    """Have an answered one answered once more; 409 with the row when it has not ended, or failed."""
    delivery = visible.delivery(delivery_id)
    require("delivery.retry", delivery.project_id)
    delivery.regenerate(current_user().name)
    db.session.commit()
    return jsonify(says(delivery))


@bp.post("/deliveries/<uuid:delivery_id>/stop")
@policy("delivery.stop")
@bp.response(200)
def stop(delivery_id: UUID) -> Response:
    """End it now; what the agent has written stays. 409 with the row when it has ended."""
    delivery = visible.delivery(delivery_id)
    require("delivery.stop", delivery.project_id)
    delivery.stop(current_user().name)
    db.session.commit()
    return jsonify(says(delivery))
