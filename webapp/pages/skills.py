"""Skills, a tab of Agents: what can run here, what each still needs, and what mends it."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from models.agent import Agent
from models.errors import NotFound
from models.executor_request import ExecutorRequest
from models.inspection import has_runs
from models.labs import enabled
from models.policy import SIGNED_IN
from models.skill import KIND, STATUSES, Skill
from models.task import FLAG as TASKS
from models.worker import RUNS
from realtime import health
from webapp import rendering, visible
from webapp.auth import current_project, policy

bp = Blueprint("skill_pages", __name__)

LONGEST_WORD = 100
GROUPS = ("needs_setup", "blocked", "ready")
"""In the order shown: what wants somebody stands first."""


@bp.get("/skills")
@policy(SIGNED_IN)
def home() -> AnyResponse:
    """To those of the project used last."""
    project = visible.last_project()
    if project is None:
        raise NotFound("you are not in a project yet: ask an owner for an invite")
    return redirect(url_for("skill_pages.index", project_key=project.key))


@bp.get("/<project_key>/agents/skills")
@policy("skill.read")
def index(project_key: str) -> str:
    """All, or those of a status and with a word that the address names."""
    project_id = current_project().id
    visible.skills(project_id)
    skills = Skill.of_project(project_id)
    status, word = request.args.get("status", ""), request.args.get("q", "").strip()[:LONGEST_WORD]
    shown = [one for one in skills if status in ("", one.status) and _has(one, word)]
    last = ExecutorRequest.newest(project_id, KIND)
    layout = rendering.page_layout() | {"health": health.status(RUNS), "executor_queue": RUNS}
    return render_template(
        "skills/index.html",
        **layout,
        groups=[(group, [one for one in shown if one.status == group]) for group in GROUPS],
        counts={one: sum(skill.status == one for skill in skills) for one in STATUSES},
        total=len(skills),
        agents_count=len(Agent.of_project(project_id)),
        status=status,
        word=word,
        runnable={one.id for one in skills if has_runs(one)} if enabled(TASKS, project_id) else set(),
        last=last,
        warnings=(last.result or {}).get("warnings", []) if last is not None else [],
        checking=last is not None and last.status in ("queued", "delivered"),
    )


def _has(skill: Skill, word: str) -> bool:
    said = f"{skill.name}\n{skill.key}\n{skill.description}".casefold()
    return word.casefold() in said
