"""Tasks over HTTP: a person makes one of what somebody said, says what it is, and comments on it."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from models.base import db
from models.markup import render
from models.message import LONGEST
from models.task import Task
from models.task_change import Change, Outcome, change_all
from models.text import clean
from realtime.registry import PUBLISHED
from webapp import visible
from webapp.api.messages import beside
from webapp.auth import current_project, current_user, policy, require
from webapp.limits import ApiBlueprint
from webapp.schemas import NewComment, TaskEdit, TaskEventRow, TaskOutcomes, TaskRow, TasksChange

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


@bp.patch("/tasks/<uuid:task_id>")
@policy("task.plan")
@bp.arguments(TaskEdit)
@bp.response(200, TaskRow)
def edit(said: dict[str, Any], task_id: UUID) -> Response:
    """How urgent a task is, its tags, and, while it is pending, whose it is."""
    task = visible.task_of_id(task_id)
    require("task.plan", task.project_id)
    names = {"priority": "priority", "tags": "tags", "assignee_agent_key": "agent_key"}
    task.edit(current_user(), **{names[name]: value for name, value in said.items()})
    answer = says(task)
    db.session.commit()
    return jsonify(answer)


@bp.post("/projects/<uuid:project_id>/tasks/change")
@policy("task.plan")
@bp.arguments(TasksChange)
@bp.response(200, TaskOutcomes)
def change(said: dict[str, Any], project_id: UUID) -> Response:
    """Cancel many tasks, or set their priority, add tags, assign them; each result says what became of one.

    What cannot be done to one stops no other; a task of another project is `not_found`.
    """
    project = current_project()
    visible.tasks(project.id)
    wanted = Change(
        said["cancel"], said.get("priority"), said.get("add_tags", ()), said.get("assignee_agent_key")
    )
    results = [_outcome(one) for one in change_all(project.id, said["ids"], wanted, current_user())]
    db.session.commit()
    return jsonify({"results": results})


def _outcome(one: Outcome) -> dict[str, Any]:
    task, error = one.task, one.error
    return {
        "id": str(one.id),
        "number": task.number if task else None,
        "task": says(task) if task else None,
        "error": {"code": error.code, "message": error.message, "fields": error.fields} if error else None,
    }


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
