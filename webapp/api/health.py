"""Health of the executors, as the badge shows it."""

from typing import Any

from flask import Response, jsonify

from models.policy import SIGNED_IN
from realtime import health
from webapp.auth import policy
from webapp.limits import ApiBlueprint
from webapp.schemas import Health, HealthOf

bp = ApiBlueprint("health", __name__, url_prefix="/api", description="Live or Backup")


@bp.get("/health")
@policy(SIGNED_IN)
@bp.arguments(HealthOf, location="query")
@bp.response(200, Health)
def show(asked: dict[str, Any]) -> Response:
    """Live while a worker of this queue beat within 30 seconds, else Backup; `executors` says it of each."""
    return jsonify(health.status(asked["queue"]))
