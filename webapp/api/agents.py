"""Agents over HTTP: who they are, a new one, and other words for an old one."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from models import audit
from models.agent import Agent
from models.base import db
from queues.direct import direct_or_queued
from realtime.registry import PUBLISHED
from webapp import visible
from webapp.auth import current_user, policy, principal, require
from webapp.limits import ApiBlueprint
from webapp.schemas import AgentEdit, AgentList, NewAgent, Requested

bp = ApiBlueprint("agents", __name__, url_prefix="/api", description="Agents of a project")

says = PUBLISHED["agents"].row


@bp.get("/projects/<uuid:project_id>/agents")
@policy("project.read")
@bp.response(200, AgentList)
def index(project_id: UUID) -> Response:
    """The project's agents by name, with what each is doing."""
    return jsonify({"agents": [_with_status(agent) for agent in Agent.of_project(project_id)]})


def _with_status(agent: Agent) -> dict[str, Any]:
    return says(agent) | {"status": agent.state.shown, "activity": agent.state.activity}


@bp.post("/projects/<uuid:project_id>/agents")
@policy("agent.provision")
@bp.arguments(NewAgent)
@bp.response(202, Requested)
def provision(new: dict[str, Any], project_id: UUID) -> tuple[Response, int]:
    """Ask the executor for a new agent: at once when it is there, else when it comes back."""
    request = Agent.ask_for(project_id, new, current_user().id)
    audit.record(principal().key, "agent.requested", f"agent {new['key']}", project_id=project_id)
    mode = direct_or_queued("chat")
    db.session.commit()
    return jsonify({"mode": mode, "request_id": str(request.id)}), 202


@bp.patch("/agents/<uuid:agent_id>")
@policy("agent.edit")
@bp.arguments(AgentEdit)
@bp.response(200)
def edit(change: dict[str, Any], agent_id: UUID) -> Response:
    """Change name, title, persona or model; the next turn has them."""
    agent = visible.agent(agent_id)
    require("agent.edit", agent.project_id)
    agent.edit(**change)
    audit.record(
        principal().key,
        "agent.edited",
        f"agent {agent.key}",
        project_id=agent.project_id,
        fields=sorted(change),
    )
    db.session.commit()
    return jsonify(_with_status(agent))
