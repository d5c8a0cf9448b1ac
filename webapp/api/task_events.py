"""A task's timeline over HTTP: what agents report and ask for, what people add, and what executors poll."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from models.agent import Agent
from models.base import db, new_id, reading
from models.errors import Forbidden, NotFound
from models.legacy import TaskOutput
from models.note import Note, shown_path
from models.policy import Principal
from models.project import Project
from models.proposal import Proposal
from models.secret import digest
from models.task import UI, Task
from models.task_event import TaskEvent
from models.text import invalid, one_line
from models.wish import Wish
from models.workspace import Workspace
from realtime.registry import PUBLISHED, with_proposals_shown
from webapp import reports, visible
from webapp.api.messages import beside
from webapp.auth import policy, principal, require
from webapp.idempotency import HEADER
from webapp.limits import ApiBlueprint
from webapp.schemas import (
    REFUSED_EVENTS,
    NewTaskEvent,
    ReportFormat,
    TaskEventList,
    TaskEventRow,
    TaskEventWindow,
)
from webapp.security import disposition

bp = ApiBlueprint("task_events", __name__, url_prefix="/api", description="The timeline of a task")

OF_PEOPLE = ("comment", "output_added")
"""What a person adds himself; the rest is what agents report."""

says = PUBLISHED["task_events"].row


@bp.get("/tasks/<uuid:task_id>/events")
@policy("task.read")
@bp.arguments(TaskEventWindow, location="query")
@bp.response(200, TaskEventList)
def index(window: dict[str, Any], task_id: UUID) -> Response:
    """What happened after a seq or a time, in order: an executor looks here for `approval_resolved`."""
    task, since, limit = visible.task_of_id(task_id), window["since"], window["limit"]
    last = task.last_seq
    found = TaskEvent.since(task.id, since, window.get("event_type"), limit + 1)
    shown = found[:limit]
    with_proposals_shown(shown)
    # Later than all that was looked at: who began with a time goes on from here.
    before = last if isinstance(since, datetime) else since
    return jsonify(
        {
            "events": [says(event) for event in shown],
            "since": shown[-1].seq if shown else before,
            "more": len(found) > limit,
        }
    )


@bp.post("/tasks/<uuid:task_id>/events")
@policy("task.report", apart=True)
@bp.arguments(NewTaskEvent)
@bp.response(201, TaskEventRow)
def create(new: dict[str, Any], task_id: UUID) -> tuple[Response, int]:
    """Add to a task's timeline. The author is whose token or session asks, never what the body says.

    An agent comments, tells what it does (`agent_update`), adds an output, or asks for an approval
    (`approval_request`), which becomes a proposal. Its status and what was decided only the server writes.
    A repeated client_id, or Idempotency-Key, gives the first event, with something else 409.
    """
    author, kind = principal(), new["event_type"]
    if kind in REFUSED_EVENTS:
        raise Forbidden(f"nobody can report a {kind}: the server writes it when it happens")
    if author.agent_key is None and kind not in OF_PEOPLE:
        raise Forbidden(f"an {kind} is what an agent reports, with a token of its own")
    if new["client_id"] is None and (once := request.headers.get(HEADER)):
        new["client_id"] = digest(once)
    with reading():
        project_id = _task(task_id).project_id
        db.session.close()
    event = (
        _ask(new, task_id, author) if kind == "approval_request" else _add(new, task_id, project_id, author)
    )
    with_proposals_shown([event])
    said = says(event)
    db.session.commit()
    return jsonify(said), 201


@bp.get("/tasks/<uuid:task_id>/outputs/<uuid:output_id>")
@policy("output.read")
@bp.response(200, content_type="application/octet-stream")
def output(task_id: UUID, output_id: UUID) -> Response:
    """The file that was added as an output, as the workspace has it now: to be saved, never to be shown."""
    task = visible.task_of_id(task_id)
    require("output.read", task.project_id)  # what stands in the workspace is for people
    path = _path_of(task, output_id)
    if not path or (content := _workspace(task.project_id).read(path)) is None:
        raise NotFound("the workspace has no such file now")
    response = Response(content, mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = disposition(one_line(path.rpartition("/")[2]))
    return response


@bp.get("/tasks/<uuid:task_id>/reports")
@policy("task.read")
@bp.arguments(ReportFormat, location="query")
@bp.response(200)
def export(window: dict[str, Any], task_id: UUID) -> Response:
    """Every attempt to carry out its plans, kept apart, with what was approved: to be saved as a file."""
    task, kind = visible.task_of_id(task_id), window["format"]
    said = reports.of(task)
    if kind == "json":
        response = Response(
            json.dumps(said, ensure_ascii=False, indent=2) + "\n", mimetype="application/json"
        )
    else:
        response = Response(reports.as_markdown(said), mimetype="text/markdown")
    response.headers.set("Content-Disposition", "attachment", filename=f"task-{task.number}-reports.{kind}")
    return response


def _task(task_id: UUID) -> Task:
    task = visible.task_of_id(task_id)
    require("task.report", task.project_id)
    if (key := principal().agent_key) is not None and Agent.by_key(task.project_id, key) is None:
        raise NotFound
    return task


def _add(new: dict[str, Any], task_id: UUID, project_id: UUID, author: Principal) -> TaskEvent:
    # Before the write transaction begins: markdown takes its time, and so may a disk.
    note = beside(new["text"] or new["content"], lambda: _note(new))
    _must_be_there(note, project_id)
    by_agent = author.agent_key
    return _task(task_id).add(note, by_agent or UI, None if by_agent else author.id)


def _note(new: dict[str, Any]) -> Note:
    if new["event_type"] == "output_added":
        return Note.output(new["content"], new["metadata"], new["text"], new["client_id"])
    return Note.words(new["event_type"], new["content"], new["client_id"])


def _must_be_there(note: Note, project_id: UUID) -> None:
    path = note.meta.get("storage_path")
    if path is None:
        return
    with reading():
        if principal().agent_key is None:
            require(
                "proposal.decide", project_id
            )  # who names a file lets everybody read it who reads the task
        workspace = _workspace(project_id)
        db.session.close()
    if workspace.present(path) is None:
        raise invalid("metadata.storage_path", "is no file of the project's workspace")


def _ask(new: dict[str, Any], task_id: UUID, author: Principal) -> TaskEvent:
    wanted, key = new["metadata"], author.agent_key or ""
    if wanted.get("proposed_by", key) != key:
        raise invalid("metadata.proposed_by", "must be the agent whose token this is")
    once = new["client_id"] or str(new_id())
    words = (wanted["action_type"], wanted["params"], new["content"], once, wanted.get("risk_level"))
    wish = beside(new["content"], lambda: Wish.of(key, *words))
    event = Proposal.make_in_task(_task(task_id), wish).event
    assert event is not None
    return event


def _path_of(task: Task, output_id: UUID) -> str | None:
    """None where there is none, and for a hidden file, which an older row may name.

    Forbidden for who could not name it himself, where no person did: an agent lets nobody read a file.
    """
    event, old = db.session.get(TaskEvent, output_id), db.session.get(TaskOutput, output_id)
    if event is not None and event.task_id == task.id and event.event_type == "output_added":
        if event.legacy_ref is None and event.user_id is None:
            require("proposal.decide", task.project_id)
        path = event.meta.get("storage_path")
    else:
        path = old.storage_path if old is not None and old.task_id == task.id else None
    try:
        return shown_path(path) if path else None
    except ValueError:
        return None


def _workspace(project_id: UUID) -> Workspace:
    return Workspace.of(db.session.get_one(Project, project_id).key)
