"""Tasks over HTTP: a person makes one of what somebody said, and comments on it."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from models.base import db
from models.markup import render
from models.message import LONGEST
from models.task import Task
from models.text import clean
from realtime.registry import PUBLISHED
from webapp import visible
from webapp.api.messages import beside
from webapp.auth import current_user, policy, require
from webapp.limits import ApiBlueprint
from webapp.schemas import NewComment, TaskEventRow, TaskRow

bp = ApiBlueprint("tasks", __name__, url_prefix="/api", description="Tasks")

says = PUBLISHED["tasks"].row
says_event = PUBLISHED["task_events"].row


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


@bp.post("/tasks/<uuid:task_id>/comments")
@policy("task.comment", apart=True)
@bp.arguments(NewComment)
@bp.response(201, TaskEventRow)
def comment(new: dict[str, Any], task_id: UUID) -> tuple[Response, int]:
    """Comment on a task. A repeated client_id gives the first comment, with another text 409."""
    # Before the write transaction begins: markdown takes its time.
    content = clean(new["content"], "content", longest=LONGEST)
    client_id = clean(new["client_id"], "client_id", longest=64)
    rendered = beside(content, lambda: render(content))
    task = visible.task_of_id(task_id)
    require("task.comment", task.project_id)
    event = task.comment(current_user(), content, rendered, client_id)
    db.session.commit()
    return jsonify(says_event(event)), 201
