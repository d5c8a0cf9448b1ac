"""Plans of tasks over HTTP: asked for, read, changed, and refused by a person."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from models.base import db
from models.plan import Plan, opening_of, steps_of
from models.task import Task
from models.worker import RUNS
from queues.direct import direct_or_queued
from realtime.registry import PUBLISHED, plain
from webapp import visible
from webapp.auth import current_session, current_user, policy, require
from webapp.limits import ApiBlueprint
from webapp.schemas import PlanAsked, PlanEdit, PlanList, PlanRow, PlanWish, Reject, TaskRow

bp = ApiBlueprint("plans", __name__, url_prefix="/api", description="Plans of tasks")

says = PUBLISHED["tasks"].row


def says_plan(plan: Plan) -> dict[str, Any]:
    said, text = plan.said, plan.text
    names = ("version", "digest", "agent_key", "run_id", "user_id", "created_at")
    steps = [{"number": step.number, "title": step.title, "body": step.body} for step in steps_of(text)]
    return {
        **{name: plain(getattr(plan, name)) for name in names},
        "text": text,
        "opening": opening_of(text),
        "steps": steps,
        "budget": said["budget"],
    }


@bp.get("/tasks/<uuid:task_id>/plans")
@policy("task.read")
@bp.response(200, PlanList)
def index(task_id: UUID) -> Response:
    """Every version, oldest first; the task says which one counts."""
    task = visible.task_of_id(task_id)
    return jsonify({"plans": [says_plan(plan) for plan in Plan.versions(task.id)]})


@bp.post("/tasks/<uuid:task_id>/plan")
@policy("task.plan")
@bp.arguments(PlanWish)
@bp.response(202, PlanAsked)
def request_plan(wish: dict[str, Any], task_id: UUID) -> tuple[Response, int]:
    """Let an agent make a plan, from the beginning: one that is there, or is being made, is discarded.

    `backup`: it waits until a worker of runs is back.
    """
    task = _to_plan(task_id)
    task.request_plan(current_user(), wish["agent_key"], wish["remark"])
    mode = direct_or_queued(RUNS)
    said = says(task)
    db.session.commit()
    return jsonify({"mode": mode, "task": said}), 202


@bp.post("/tasks/<uuid:task_id>/plan/stop")
@policy("task.plan")
@bp.response(200, TaskRow)
def stop(task_id: UUID) -> Response:
    """End the planning: the task is pending again, without a plan."""
    task = _to_plan(task_id)
    task.stop_planning(current_user())
    return _done(task)


@bp.post("/tasks/<uuid:task_id>/cancel")
@policy("task.plan")
@bp.response(200, TaskRow)
def cancel(task_id: UUID) -> Response:
    """Nobody wants this task any more; 409 where it has ended or is being carried out."""
    task = _to_plan(task_id)
    task.cancel(current_user())
    return _done(task)


@bp.patch("/tasks/<uuid:task_id>/plan")
@policy("proposal.decide")
@bp.arguments(PlanEdit)
@bp.response(200, PlanRow)
def edit(said: dict[str, Any], task_id: UUID) -> Response:
    """Another text, of all or of one step: a further version, under another digest, waits in its place."""
    task = _to_decide(task_id)
    plan = task.edit_plan(current_session().id, said["digest"], said["text"], said["step"])
    answer = says_plan(plan)
    db.session.commit()
    return jsonify(answer)


@bp.post("/tasks/<uuid:task_id>/plan/reject")
@policy("proposal.decide")
@bp.arguments(Reject)
@bp.response(200, TaskRow)
def reject(said: dict[str, Any], task_id: UUID) -> Response:
    """It will not be carried out: the task is pending again. A reason helps whoever plans next."""
    task = _to_decide(task_id)
    task.reject(current_session().id, said["digest"], said["reason"])
    return _done(task)


def _to_plan(task_id: UUID) -> Task:
    task = visible.task_of_id(task_id)
    require("task.plan", task.project_id)
    return task


def _to_decide(task_id: UUID) -> Task:
    """The role is asked again by the verb, which holds it until the decision is committed."""
    task = visible.task_of_id(task_id)
    require("proposal.decide", task.project_id)
    return task


def _done(task: Task) -> Response:
    said = says(task)
    db.session.commit()
    return jsonify(said)
