"""Is it alive, and can it work: what a supervisor asks."""

from flask import Blueprint, Response, jsonify

from models.policy import OPEN
from webapp import doctor
from webapp.auth import policy

bp = Blueprint("probes", __name__)


@bp.get("/healthz")
@policy(OPEN)
def healthz() -> Response:
    return jsonify(ok=True)


@bp.get("/readyz")
@policy(OPEN)
def readyz() -> Response:
    """503 until the database answers and is migrated; without Redis or a worker it still works, slower."""
    checks = doctor.examine()
    needed = [check for check in checks if check.needed]
    response = jsonify(ok=all(check.ok for check in needed), parts={check.key: check.ok for check in checks})
    response.status_code = 200 if all(check.ok for check in needed) else 503
    return response
