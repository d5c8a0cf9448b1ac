"""The page of agents: who is here, what each does now, and what is on its way."""

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, Response, render_template
from sqlalchemy import select

from models.agent import Agent
from models.base import db
from models.executor_request import ExecutorRequest
from models.skill import Skill
from webapp import rendering
from webapp.auth import current_project, policy
from webapp.kept import State

bp = Blueprint("agent_pages", __name__)

OPEN_REQUESTS = 20


@bp.get("/<project_key>/agents")
@rendering.kept
@policy("project.read")
def index(project_key: str) -> Response:
    return rendering.kept_page(_index)


def _index(state: State) -> str:
    project_id = current_project().id
    agents, requests = Agent.of_project(project_id), _requests(project_id)
    skills_count = len(Skill.of_project(project_id))
    return render_template(
        "agents/index.html",
        **rendering.layout(state),
        agents=agents,
        requests=requests,
        agents_count=len(agents),
        skills_count=skills_count,
    )


def _requests(project_id: UUID) -> Sequence[ExecutorRequest]:
    """Agents that were asked for and are not there yet, newest first."""
    query = select(ExecutorRequest).where(
        ExecutorRequest.project_id == project_id,
        ExecutorRequest.kind == "agent_provision",
        ExecutorRequest.status != "processed",
    )
    return db.session.scalars(query.order_by(ExecutorRequest.created_at.desc()).limit(OPEN_REQUESTS)).all()
