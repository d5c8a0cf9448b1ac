"""Skills over HTTP: what the executor found, and asking it to look again."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields, validate

from models.base import db
from models.errors import ExecutorOffline
from models.executor_request import QUEUES
from models.skill import KIND, STATUSES, Skill
from queues.direct import direct_or_queued
from realtime.registry import PUBLISHED
from webapp import visible
from webapp.auth import current_user, policy, require
from webapp.limits import ApiBlueprint
from webapp.schemas import Requested

bp = ApiBlueprint("skills", __name__, url_prefix="/api", description="Skills and what they need here")

says = PUBLISHED["skills_mirror"].row
OFFLINE = "Executor offline"


class Step(ma.Schema):
    kind = fields.String()
    text = fields.String()
    command = fields.String(metadata={"description": "To be copied; nothing here runs it"})


class Reason(ma.Schema):
    code = fields.String()
    text = fields.String()


class Missing(ma.Schema):
    bins = fields.List(fields.String())
    anyBins = fields.List(fields.String(), metadata={"description": "One of them is enough"})
    env = fields.List(fields.String())
    config = fields.List(fields.String())
    os = fields.List(fields.String())


class SkillRow(ma.Schema):
    """A skill as the API and its stream say it."""

    id = fields.UUID()
    project_id = fields.UUID()
    source = fields.String(validate=validate.OneOf(("shipped", "project")))
    path = fields.String()
    key = fields.String()
    name = fields.String()
    description = fields.String()
    revision = fields.String(metadata={"description": "SHA-256 over all its files; empty if unreadable"})
    status = fields.String(validate=validate.OneOf(STATUSES))
    missing = fields.Nested(Missing)
    reasons = fields.List(fields.Nested(Reason), metadata={"description": "Why it is blocked"})
    setup_steps = fields.List(fields.Nested(Step))
    warnings = fields.List(fields.String())
    checked_at = fields.DateTime()
    checked_on = fields.String(metadata={"description": "The host of the worker that looked"})
    created_at = fields.DateTime()


class SkillList(ma.Schema):
    skills = fields.List(fields.Nested(SkillRow))


class OfProject(ma.Schema):
    project_id = fields.UUID(metadata={"description": "Without it: the project you used last"})


@bp.get("/skills")
@policy("skill.read")
@bp.arguments(OfProject, location="query")
@bp.response(200, SkillList)
def index(asked: dict[str, Any]) -> Response:
    """A project's skills by name, as they were at the last check."""
    project_id = asked.get("project_id") or visible.last_project_id()
    require("skill.read", project_id)
    visible.skills(project_id)
    return jsonify({"skills": [says(skill) for skill in Skill.of_project(project_id)]})


@bp.post("/skills/<uuid:skill_id>/check")
@policy("skill.check")
@bp.response(202, Requested)
def check(skill_id: UUID) -> tuple[Response, int]:
    """Ask the executor to look again; what it finds comes by the project's stream.

    503 `executor_offline` while it is away: a check is about now, and never waits.
    """
    skill = visible.skill(skill_id)
    require("skill.check", skill.project_id)
    return _ask(skill.project_id, skill)


@bp.post("/projects/<uuid:project_id>/skills/check")
@policy("skill.check")
@bp.response(202, Requested)
def check_all(project_id: UUID) -> tuple[Response, int]:
    """The same for all of the project's skills, also while it has none yet."""
    visible.skills(project_id)
    return _ask(project_id, None)


def _ask(project_id: UUID, skill: Skill | None) -> tuple[Response, int]:
    mode = direct_or_queued(QUEUES[KIND])
    if mode != "direct":
        raise ExecutorOffline(OFFLINE)
    request = Skill.ask_for(project_id, current_user().id, skill)
    db.session.commit()
    return jsonify({"mode": mode, "request_id": str(request.id)}), 202
