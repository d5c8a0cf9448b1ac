"""Every attempt to carry out a task's plans, kept apart: what was approved, by whom, what became of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from models.approval import Approval
from models.base import db
from models.canonical import parse
from models.run import Run
from models.run_event import RunEvent
from models.task import Task
from models.text import one_line
from realtime.registry import plain

RUN = ("status", "started_at", "finished_at", "report", "late_report", "error", "usage")


def of(task: Task) -> dict[str, Any]:
    """As JSON: the task, and its attempts, oldest first."""
    names = ("id", "number", "title", "description", "status")
    looks = {run.approval_id: run for run in Run.executions(task, "post_op")}
    attempts = [
        _attempt(number, run, looks.get(run.approval_id)) for number, run in enumerate(Run.attempts(task), 1)
    ]
    return {"task": {name: plain(getattr(task, name)) for name in names}, "attempts": attempts}


def _attempt(number: int, run: Run, look: Run | None) -> dict[str, Any]:
    return {
        "number": number,
        "approved": _approved(db.session.get_one(Approval, run.approval_id)),
        **_of(run),
        "post_op": _of(look) if look is not None else None,
    }


def _of(run: Run) -> dict[str, Any]:
    counted = select(RunEvent.kind, func.count()).where(RunEvent.run_id == run.id).group_by(RunEvent.kind)
    return {
        "run_id": str(run.id),
        "retry_of": plain(run.retry_of),
        **{name: plain(getattr(run, name)) for name in RUN},
        "events": {kind: count for kind, count in db.session.execute(counted)},
    }


def _approved(approval: Approval) -> dict[str, Any]:
    """What the person decided on, from the bytes that he approved."""
    order = parse(approval.canonical)
    names = ("decided_at", "voided_at", "void_reason")
    return {
        "digest": approval.digest,
        "plan_digest": order["plan_digest"],
        "plan_version": order["plan"]["version"],
        "plan": order["plan"]["text"],
        "scheduled_time": order.get("scheduled_time"),
        "post_op": order.get("post_op"),
        "user_id": str(approval.user_id),
        "by": approval.user.name,
        **{name: plain(getattr(approval, name)) for name in names},
    }


def as_markdown(said: dict[str, Any]) -> str:
    """The same to read: what people and agents wrote is quoted, so that it passes for no other attempt."""
    task = said["task"]
    parts = [f"# Task {task['number']}: {one_line(task['title'])}", f"Status: {task['status']}"]
    for attempt in said["attempts"]:
        parts += _section(attempt)
    if not said["attempts"]:
        parts.append("Nobody has tried to carry it out.")
    return "\n\n".join(parts) + "\n"


def _section(attempt: dict[str, Any]) -> list[str]:
    approved, after = attempt["approved"], attempt["post_op"] or {}
    facts = {
        "Status": attempt["status"],
        "Approved by": f"{approved['by']}, {approved['decided_at']}",
        "Plan": f"version {approved['plan_version']}, digest `{approved['plan_digest']}`",
        "Order": f"digest `{approved['digest']}`",
        "Approval void": approved["void_reason"],
        "For": approved["scheduled_time"],
        "Began": attempt["started_at"],
        "Ended": attempt["finished_at"],
        "Error": attempt["error"] if attempt["error"] != attempt["report"] else None,
        "Told": ", ".join(f"{count} {kind}" for kind, count in sorted(attempt["events"].items())),
    }
    lines = [f"- {name}: {one_line(str(value))}" for name, value in facts.items() if value]
    parts = [f"## Attempt {attempt['number']}", "\n".join(lines)]
    for title, text in (
        ("Report", attempt["report"] or "None."),
        ("Told late", attempt["late_report"]),
        (f"/oasis-op afterwards: {after.get('status')}", after and (after["report"] or "None.")),
        ("The plan that was approved", approved["plan"]),
    ):
        if text:
            parts += [f"### {title}", _quoted(text)]
    return parts


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
