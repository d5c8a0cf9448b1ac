"""Health of the chat executor, as the badge shows it."""

from flask import Response, jsonify

from models.policy import SIGNED_IN
from realtime import health
from webapp.auth import policy
from webapp.limits import ApiBlueprint
from webapp.schemas import Health

bp = ApiBlueprint("health", __name__, url_prefix="/api", description="Live or Backup")


@bp.get("/health")
@policy(SIGNED_IN)
@bp.response(200, Health)
def show() -> Response:
    """Live while a chat worker beat within 30 seconds, else Backup."""
    return jsonify(health.status("chat"))
