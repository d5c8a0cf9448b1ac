"""Tasks: the list, and the thread of one with its timeline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request, url_for

from models import timeline
from models.agent import Agent
from models.base import db
from models.errors import NotFound
from models.markup import render
from models.message import Message
from models.plan import Plan, Step, opening_of, source_of, steps_of
from models.proposal import Proposal
from models.run import Run
from models.run_event import RunEvent
from models.secret import digest
from models.task import PRIORITIES, STATUSES, Task
from models.task_event import TaskEvent
from models.task_list import ALL, HIDDEN, OPEN, Column, Filter, TaskList, open_by_tab
from models.worker import RUNS
from queues.direct import direct_or_queued
from realtime import health
from realtime.registry import with_proposals_shown
from webapp import asked, compared, rendering, visible
from webapp.auth import current_project, policy
from webapp.kept import State

bp = Blueprint("task_pages", __name__)

SHOWN = 200
"""Tasks of a page of the list, an equal share of each status, and events of a page of one."""
LONGEST_WORD = 100
VIEWS = ("list", "board")
ORDER = ("review", "executing", "planning", "scheduled", "pending", "failed", "completed", "cancelled")
"""Of the list: what wants somebody stands first."""
SHOWN_CHARACTERS = 200_000
"""Of what happened in an attempt; the API has all of it."""


@bp.get("/<project_key>/tasks")
@rendering.kept
@policy("task.read")
def index(project_key: str) -> Response:
    return rendering.kept_page(_index)


def _index(state: State) -> str:
    """Those that the address asks for, by status; of one status alone, the newest or those before one."""
    project_id, view = current_project().id, asked.one_of("view", VIEWS) or VIEWS[0]
    visible.tasks(project_id)
    wanted, before = _wanted(), asked.number("before")
    found = TaskList(project_id, wanted)
    columns, counts, layout = found.columns(SHOWN, before), found.counts, rendering.layout(state)
    return render_template(
        "tasks/index.html",
        **layout,
        view=view,
        tabs=open_by_tab(project_id),
        wanted=wanted,
        before=before,
        counts=counts,
        columns=columns if view == "board" else sorted(columns, key=lambda one: ORDER.index(one.status)),
        choices=_choices(wanted, columns, counts, layout["roster"]["agents"]),
        address=_addresses(wanted, view),
    )


def _wanted() -> Filter:
    return Filter(
        asked.one_of("status", (*STATUSES, ALL)) or OPEN,
        asked.text("q", LONGEST_WORD),
        asked.one_of("priority", PRIORITIES),
        asked.text("agent", LONGEST_WORD),
        asked.text("tag", LONGEST_WORD),
    )


Choices = list[tuple[str, str]]


def _choices(
    wanted: Filter, columns: list[Column], counts: dict[str, int], agents: list[dict[str, Any]]
) -> dict[str, Choices]:
    """What each filter can be, and the words for it; the first is what it is without. Tags: those shown."""
    total = sum(counts.values())
    tags = {tag for column in columns for task in column.tasks for tag in task.tags} | {wanted.tag} - {""}
    return {
        "status": [
            ("", f"Open ({total - counts[HIDDEN]})"),
            *((status, f"{status.capitalize()} ({counts[status]})") for status in STATUSES),
            (ALL, f"All ({total})"),
        ],
        "agent": [("", "Any agent"), *((agent["key"], agent["name"]) for agent in agents)],
        "priority": [("", "Any priority"), *((one, one.capitalize()) for one in reversed(PRIORITIES))],
        "tag": [("", "Any tag"), *((tag, tag) for tag in sorted(tags))],
    }


def _addresses(wanted: Filter, view: str) -> Callable[..., str]:
    """Makes addresses of the list with the same filters, but for what is named."""
    status, key = "" if wanted.status == OPEN else wanted.status, current_project().key
    words = {"status": status, "q": wanted.text, "priority": wanted.priority, "agent": wanted.agent}
    words |= {"tag": wanted.tag, "view": "" if view == VIEWS[0] else view}

    def address(**other: Any) -> str:
        said = {name: value for name, value in (words | other).items() if value}
        return f"/{key}/tasks" + (f"?{urlencode(said)}" if said else "")

    return address


@bp.get("/<project_key>/tasks/<int(max=2147483647):number>")
@rendering.kept
@policy("task.read")
def show(project_key: str, number: int) -> Response:
    return rendering.kept_page(lambda state: _show(state, number))


def _show(state: State, number: int) -> str:
    """The last of its timeline, or what came before one event."""
    task = visible.task(current_project().id, number)
    before = timeline.Place.parse(request.args.get("before", ""))
    events, earlier = _timeline(task, before)
    return render_template(
        "tasks/show.html",
        **rendering.layout(state) | {"health": health.status(RUNS), "executor_queue": RUNS},
        task=task,
        description=render(task.description).html,
        plan=_plan(task),
        stage=_stage(task),
        attempts=_attempts(task),
        events=events,
        earlier=earlier,
        newest=before is None,
        origin=_origin(task),
        proposal=_proposal(task),
    )


def _timeline(task: Task, before: timeline.Place | None) -> tuple[list[TaskEvent], timeline.Place | None]:
    """A page of it, and the place before which there is more; older rows are rendered here, and kept."""
    found = timeline.page(task.id, SHOWN + 1, before)
    events = found[-SHOWN:]
    for event in events:
        if event.seq == 0 and event.event_type == "comment":
            event.content_html = _html(event.content)
    with_proposals_shown(events)
    return events, timeline.Place.of(events[0]) if len(found) > SHOWN else None


@dataclass(frozen=True)
class ShownPlan:
    """A plan as it is read: its own words as safe HTML, and what a person changed of the agent's."""

    plan: Plan
    opening: str
    steps: list[tuple[Step, str, str]]
    """Each step, its body as safe HTML, and how it is written."""
    hunks: list[compared.Hunk] | None
    generated: Plan | None
    versions: list[int]


def _plan(task: Task) -> ShownPlan | None:
    """The one that counts, or the version that the address names."""
    version = asked.number("plan") or task.plan_version
    plan = Plan.of(task.id, version) if version is not None else None
    if plan is None:
        return None
    text, generated = plan.text, Plan.generated(task.id, plan.version)
    return ShownPlan(
        plan,
        _html(opening_of(text)),
        [(step, _html(step.body), source_of(text, step.number)) for step in steps_of(text)],
        compared.hunks(generated.text, text) if generated else [],
        generated if generated is not None and generated.version != plan.version else None,
        Plan.numbers(task.id),
    )


def _html(text: str) -> str:
    return compared.html_of(text, digest(text))


@dataclass(frozen=True)
class Stage:
    """Where the task stands, and what a person can do now."""

    run: Run | None
    executor: bool
    """Whether a worker of runs is there."""
    why: TaskEvent | None
    """Why it is where it is, when somebody said so."""
    approved: TaskEvent | None
    """Who let the plan be carried out."""
    planners: list[Agent]


def _stage(task: Task) -> Stage:
    ended = "approval_resolved" if task.approval_status == "rejected" else "status_change"
    return Stage(
        run=task.run,
        executor=direct_or_queued(RUNS) == "direct",
        why=TaskEvent.last_of(task.id, ended),
        approved=TaskEvent.last_of(task.id, "approval_resolved") if task.status == "scheduled" else None,
        planners=[agent for agent in Agent.of_project(task.project_id) if agent.queue is not None],
    )


@dataclass(frozen=True)
class Attempt:
    """One attempt to carry out a plan, its report as safe HTML, and the last of what happened in it."""

    run: Run
    report: str
    looked: Run | None
    """The look that followed it, and its report as safe HTML."""
    seen: str
    events: list[RunEvent] | None
    """None where nobody asked for them: of the attempts before the last one."""
    cut: bool


def _attempts(task: Task) -> list[Attempt]:
    runs = [run for run in Run.attempts(task) if run.started_at or task.status == "executing"]
    looks = {run.approval_id: run for run in Run.executions(task, "post_op")}
    asked_for = asked.number("attempt") or len(runs)
    return [
        _attempt(run, looks.get(run.approval_id), number == asked_for) for number, run in enumerate(runs, 1)
    ]


def _attempt(run: Run, looked: Run | None, with_events: bool) -> Attempt:
    events = RunEvent.newest(run.id, SHOWN, SHOWN_CHARACTERS) if with_events else None
    cut = bool(events and events[0].seq > 1)
    seen = looked.report if looked is not None else None
    return Attempt(run, _html(run.report or ""), looked, _html(seen or ""), events, cut)


def _proposal(task: Task) -> Proposal | None:
    """The one it came from, when who asks may see that."""
    if task.proposal_id is None:
        return None
    try:
        return visible.proposal(task.proposal_id)
    except NotFound:
        return None


def _origin(task: Task) -> str | None:
    """The address of the message or the task that it came from, when everybody here may read that."""
    if task.message_id is None and task.proposal_id is not None:
        event = db.session.get_one(Proposal, task.proposal_id).event
        before = db.session.get_one(Task, event.task_id) if event is not None else None
        key = current_project().key
        return url_for("task_pages.show", project_key=key, number=before.number) if before else None
    message = db.session.get(Message, task.message_id) if task.message_id else None
    if message is None or message.thread.kind != "room":
        return None
    key, seq = current_project().key, message.seq
    return url_for("rooms.chat", project_key=key, around=seq, _anchor=f"message_{message.id}")
