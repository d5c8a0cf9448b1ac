"""Audits and skills over HTTP: asked for, and what came of the last ones."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields, validate

from models.base import db
from models.errors import NotFound
from models.inspection import Inspection, is_there
from models.run import Run
from models.task import PRIORITIES
from models.worker import RUNS
from queues.direct import direct_or_queued
from realtime.registry import PUBLISHED
from webapp import visible
from webapp.auth import current_user, policy
from webapp.limits import ApiBlueprint

bp = ApiBlueprint("audits", __name__, url_prefix="/api", description="Audits and skills, and what they found")

says = PUBLISHED["runs"].row


class Checked(ma.Schema):
    rule = fields.String()
    title = fields.String()
    said = fields.String(metadata={"description": "What it looked at, or why it could not"})
    ran = fields.Boolean()
    whole = fields.Boolean(metadata={"description": "Only what was looked at as a whole closes tasks"})
    found = fields.Integer()


class Found(ma.Schema):
    rule = fields.String()
    title = fields.String()
    priority = fields.String(validate=validate.OneOf(PRIORITIES))
    evidence = fields.String(metadata={"description": "Its beginning; the task has all of it"})
    task = fields.Integer(metadata={"description": "The number of its task"})
    became = fields.String(validate=validate.OneOf(("new", "known", "back", "dismissed")))


class Gone(ma.Schema):
    rule = fields.String()
    title = fields.String()
    task = fields.Integer()
    said = fields.String()
    closed = fields.Boolean(metadata={"description": "False where somebody is at it"})


class AuditResult(ma.Schema):
    by = fields.String(allow_none=True, metadata={"description": "The agent that judged; null: a rule check"})
    note = fields.String(metadata={"description": "Why no agent judged, or why it ended early"})
    said = fields.String(metadata={"description": "The agent's answer, in Markdown"})
    rules = fields.List(fields.Nested(Checked))
    findings = fields.List(fields.Nested(Found))
    closed = fields.List(fields.Nested(Gone))


class AuditRun(ma.Schema):
    id = fields.UUID()
    project_id = fields.UUID()
    audit = fields.String(metadata={"description": "The key of the skill"})
    revision = fields.String(
        allow_none=True, metadata={"description": "Of a skill of the project's own: as it was asked for"}
    )
    status = fields.String()
    attempt = fields.Integer()
    created_at = fields.DateTime()
    started_at = fields.DateTime(allow_none=True)
    finished_at = fields.DateTime(allow_none=True)
    report = fields.String(allow_none=True)
    error = fields.String(allow_none=True)
    result = fields.Nested(AuditResult, allow_none=True)


class AuditRuns(ma.Schema):
    open = fields.Nested(AuditRun, allow_none=True)
    ended = fields.List(fields.Nested(AuditRun))


class AuditWanted(ma.Schema):
    words = fields.String(
        load_default="",
        metadata={
            "description": "What it is about, at most 2,000 characters; for a skill of the project's own"
        },
    )
    revision = fields.String(
        load_default=None, allow_none=True, metadata={"description": "As you saw it; another one is not run"}
    )


class AuditAsked(ma.Schema):
    mode = fields.String(validate=validate.OneOf(("direct", "backup")))
    run = fields.Nested(AuditRun)


@bp.get("/projects/<uuid:project_id>/audits/<name>/runs")
@policy("task.read")
@bp.response(200, AuditRuns)
def index(project_id: UUID, name: str) -> Response:
    """The one that is open, if any, and the last 14 that ended, newest first."""
    _is_there(project_id, name)
    there = Run.open_audit(project_id, name)
    ended = [_said(run) for run in Run.audits(project_id, name)]
    return jsonify({"open": _said(there) if there else None, "ended": ended})


@bp.post("/projects/<uuid:project_id>/audits/<name>/runs")
@policy("audit.run")
@bp.arguments(AuditWanted)
@bp.response(202, AuditAsked)
def run(wanted: dict[str, Any], project_id: UUID, name: str) -> tuple[Response, int]:
    """Let the audit be made, or the skill be run; while one is open, that is it.

    It reads, and makes tasks of what it finds. `backup`: it waits until a worker of runs is back. 409 where
    the skill cannot be run, or the open one was told other words.
    """
    _is_there(project_id, name)
    made = Inspection.ask_for(project_id, name, current_user(), wanted["words"], wanted["revision"])
    said = {"mode": direct_or_queued(RUNS), "run": _said(made)}
    db.session.commit()
    return jsonify(said), 202


@bp.post("/projects/<uuid:project_id>/audits/<name>/stop")
@policy("audit.run")
@bp.response(200, AuditRun)
def stop(project_id: UUID, name: str) -> Response:
    """End the one that is open: nothing is opened or closed. 409 where none is."""
    _is_there(project_id, name)
    said = _said(Inspection.stop(project_id, name, current_user()))
    db.session.commit()
    return jsonify(said)


def _is_there(project_id: UUID, name: str) -> None:
    visible.tasks(project_id)
    if not is_there(project_id, name):
        raise NotFound


def _said(run: Run) -> dict[str, Any]:
    row = says(run)
    own = {"result": run.result, "revision": run.params.get("revision")}
    return {name: row[name] for name in AuditRun().fields if name not in own} | own
