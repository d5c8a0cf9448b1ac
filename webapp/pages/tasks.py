"""Tasks: the list, and the thread of one with its timeline."""

from flask import Blueprint, Response, render_template, url_for

from models.base import db
from models.errors import NotFound
from models.markup import render
from models.message import Message
from models.proposal import Proposal
from models.task import Task
from webapp import asked, rendering, visible
from webapp.auth import current_project, policy
from webapp.kept import State

bp = Blueprint("task_pages", __name__)

SHOWN = 200
"""Tasks of a page of the list, and events of a page of one."""


@bp.get("/<project_key>/tasks")
@rendering.kept
@policy("task.read")
def index(project_key: str) -> Response:
    return rendering.kept_page(_index)


def _index(state: State) -> str:
    """The newest tasks, or those before one."""
    project_id = current_project().id
    visible.tasks(project_id)
    before = asked.number("before")
    tasks = Task.newest(project_id, SHOWN, before)
    older = tasks[-1].number if len(tasks) == SHOWN and tasks[-1].number > 1 else None
    return render_template(
        "tasks/index.html", **rendering.layout(state), tasks=tasks, older=older, newest=before is None
    )


@bp.get("/<project_key>/tasks/<int(max=2147483647):number>")
@rendering.kept
@policy("task.read")
def show(project_key: str, number: int) -> Response:
    return rendering.kept_page(lambda state: _show(state, number))


def _show(state: State, number: int) -> str:
    """The last of its timeline, or what came before one event."""
    task = visible.task(current_project().id, number)
    before = asked.number("before")
    events = task.events(SHOWN, before)
    return render_template(
        "tasks/show.html",
        **rendering.layout(state),
        task=task,
        description=render(task.description).html,
        events=events,
        earlier=events[0].seq if events and events[0].seq > 1 else None,
        newest=before is None,
        origin=_origin(task),
        proposal=_proposal(task),
    )


def _proposal(task: Task) -> Proposal | None:
    """The one it came from, when who asks may see that."""
    if task.proposal_id is None:
        return None
    try:
        return visible.proposal(task.proposal_id)
    except NotFound:
        return None


def _origin(task: Task) -> str | None:
    """The address of the message that it came from, when everybody here may read that."""
    message = db.session.get(Message, task.message_id) if task.message_id else None
    if message is None or message.thread.kind != "room":
        return None
    key, seq = current_project().key, message.seq
    return url_for("rooms.chat", project_key=key, around=seq, _anchor=f"message_{message.id}")
