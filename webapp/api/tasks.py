"""Tasks over HTTP: a person makes one of what somebody said."""

from uuid import UUID

from flask import Response, jsonify

from models.base import db
from models.task import Task
from realtime.registry import PUBLISHED
from webapp import visible
from webapp.auth import current_user, policy, require
from webapp.limits import ApiBlueprint
from webapp.schemas import TaskRow

bp = ApiBlueprint("tasks", __name__, url_prefix="/api", description="Tasks")

says = PUBLISHED["tasks"].row


@bp.post("/messages/<uuid:message_id>/task")
@policy("task.create")
@bp.response(201, TaskRow)
def promote(message_id: UUID) -> tuple[Response, int]:
    """Make a pending task of a text message; the same message again gives the same task.

    Everybody in the project reads tasks: the text of a direct message is theirs to read from then on.
    """
    message = visible.message(message_id)
    require("task.create", message.project_id)
    visible.tasks(message.project_id)
    task = Task.promote(message, current_user())
    said = says(task)
    db.session.commit()
    return jsonify(said), 201
