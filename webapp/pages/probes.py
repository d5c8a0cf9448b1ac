"""Is it alive, and can it work: what a supervisor asks."""

import threading
from time import monotonic

from flask import Blueprint, Response, current_app, jsonify

from models.policy import OPEN
from webapp import doctor
from webapp.auth import policy

bp = Blueprint("probes", __name__)

KEPT_SECONDS, MISSING_SECONDS = 1.0, 0.25
"""How long the answer stands; shorter while a part is missing, for which somebody may be waiting."""

_examining = threading.Lock()


@bp.get("/healthz")
@policy(OPEN)
def healthz() -> Response:
    return jsonify(ok=True)


@bp.get("/readyz")
@policy(OPEN)
def readyz() -> Response:
    """503 until the database answers and is migrated; without Redis or a worker it still works, slower."""
    checks = _checks()
    needed = [check for check in checks if check.needed]
    response = jsonify(ok=all(check.ok for check in needed), parts={check.key: check.ok for check in checks})
    response.status_code = 200 if all(check.ok for check in needed) else 503
    return response


def _checks() -> list[doctor.Check]:
    """What was found lately: anybody may ask, as often as he likes."""
    with _examining:
        until, checks = current_app.extensions.get("ready", (0.0, []))
        if monotonic() >= until:
            checks = doctor.examine()
            whole = all(check.ok is not False for check in checks)
            until = monotonic() + (KEPT_SECONDS if whole else MISSING_SECONDS)
            current_app.extensions["ready"] = (until, checks)
        return checks
