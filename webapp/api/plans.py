"""Plans of tasks over HTTP: asked for, read, changed, and refused by a person."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from models.base import db
from models.errors import Conflict, NotFound
from models.order import POST_OP
from models.plan import Plan, opening_of, steps_of
from models.run import Run
from models.run_event import RunEvent
from models.skill_folder import revision_of
from models.task import Task
from models.worker import RUNS
from queues.direct import direct_or_queued
from realtime.registry import PUBLISHED, plain
from webapp import visible
from webapp.auth import current_session, current_user, policy, require
from webapp.limits import ApiBlueprint
from webapp.schemas import (
    PlanApproval,
    PlanAsked,
    PlanEdit,
    PlanList,
    PlanRow,
    PlanWindow,
    PlanWish,
    Reject,
    RunEventList,
    RunEventWindow,
    SettleTask,
    Shown,
    TaskRow,
    TaskRunList,
)

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
@bp.arguments(PlanWindow, location="query")
@bp.response(200, PlanList)
def index(window: dict[str, Any], task_id: UUID) -> Response:
    """Its versions, or those before one, oldest first; the task says which one counts."""
    task = visible.task_of_id(task_id)
    found = Plan.versions(task.id, window["limit"], window["before"])
    return jsonify({"plans": [says_plan(plan) for plan in found]})


@bp.post("/tasks/<uuid:task_id>/plan")
@policy("task.plan")
@bp.arguments(PlanWish)
@bp.response(202, PlanAsked)
def request_plan(wish: dict[str, Any], task_id: UUID) -> tuple[Response, int]:
    """Let an agent make a plan, now or at a time: one that is there, or is being made, is discarded.

    `backup`: it waits until a worker of runs is back.
    """
    task = _to_plan(task_id)
    task.request_plan(
        current_user(), wish["agent_key"], wish["remark"], at=wish["at"], with_report=wish["with_report"]
    )
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


@bp.post("/tasks/<uuid:task_id>/plan/approve")
@policy("proposal.decide")
@bp.arguments(PlanApproval)
@bp.response(200, TaskRow)
def approve(said: dict[str, Any], task_id: UUID) -> Response:
    """Let the plan be carried out, now or at a time. 409 `changed` when this is not the plan that waits."""
    post_op = _post_op() if said["run_post_op"] else None  # files are read before anything is held
    task = _to_decide(task_id)
    task.approve(current_session().id, said["digest"], said["at"], post_op)
    return _done(task)


@bp.post("/tasks/<uuid:task_id>/plan/take-back")
@policy("task.plan")
@bp.response(200, TaskRow)
def take_back(task_id: UUID) -> Response:
    """Not at the time that was chosen: the approval is void, and the plan waits for a person again."""
    task = _to_plan(task_id)
    task.take_back(current_user())
    return _done(task)


@bp.post("/tasks/<uuid:task_id>/plan/retry")
@policy("proposal.decide")
@bp.arguments(Shown)
@bp.response(200, TaskRow)
def retry(said: dict[str, Any], task_id: UUID) -> Response:
    """It failed: decide once more on the same plan."""
    task = _to_decide(task_id)
    task.retry(current_session().id, said["digest"], _post_op() if task.run_post_op else None)
    return _done(task)


@bp.post("/tasks/<uuid:task_id>/settle")
@policy("proposal.decide")
@bp.arguments(SettleTask)
@bp.response(200, TaskRow)
def settle(said: dict[str, Any], task_id: UUID) -> Response:
    """Where nobody saw an execution end, a person looked: `completed` or `failed`."""
    task = _to_decide(task_id)
    task.settle(current_session().id, said["outcome"], said["note"])
    return _done(task)


@bp.post("/tasks/<uuid:task_id>/stop")
@policy("task.plan")
@bp.response(200, TaskRow)
def stop_execution(task_id: UUID) -> Response:
    """End the execution: its worker ends every process of it, and the task has failed."""
    task = _to_plan(task_id)
    task.stop(current_user())
    return _done(task)


@bp.get("/tasks/<uuid:task_id>/runs")
@policy("task.read")
@bp.response(200, TaskRunList)
def runs(task_id: UUID) -> Response:
    """Every attempt to carry out its plans, with its report, oldest first."""
    task = visible.task_of_id(task_id)
    return jsonify({"runs": [PUBLISHED["runs"].row(run) for run in Run.executions(task)]})


@bp.get("/tasks/<uuid:task_id>/runs/<uuid:run_id>/events")
@policy("task.read")
@bp.arguments(RunEventWindow, location="query")
@bp.response(200, RunEventList)
def run_events(window: dict[str, Any], task_id: UUID, run_id: UUID) -> Response:
    """What happened in one attempt, from after a seq on."""
    task = visible.task_of_id(task_id)
    run = db.session.get(Run, run_id)
    if run is None or run.task_id != task.id:
        raise NotFound
    found = RunEvent.after(run.id, window["after"], window["limit"])
    return jsonify({"events": [PUBLISHED["run_events"].row(event) for event in found]})


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


def _post_op() -> str:
    """The revision of the skill that is approved with the plan; Conflict where there is none."""
    revision = revision_of(POST_OP)
    if revision is None:
        raise Conflict(f"the skill {POST_OP} is not here, or cannot be read")
    return revision


def _done(task: Task) -> Response:
    said = says(task)
    db.session.commit()
    return jsonify(said)
