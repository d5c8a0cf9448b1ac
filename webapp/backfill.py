"""Moves what an earlier version kept of tasks into their timelines, while people go on writing there."""

from uuid import UUID

from models import timeline
from models.base import db, reading
from models.markup import render
from models.task import Task
from models.task_event import TaskEvent

AT_ONCE = 200


def run() -> int:
    """How many comments and outputs were moved. Who runs it again, or at the same time, moves the rest."""
    with reading():
        tasks = timeline.unmoved_tasks()
        db.session.commit()
    return sum(map(_move, tasks))


def _move(task_id: UUID) -> int:
    moved = 0
    while rows := _rendered(task_id):
        moved += timeline.move(db.session.get_one(Task, task_id), rows)
        db.session.commit()
    return moved


def _rendered(task_id: UUID) -> list[TaskEvent]:
    """The next of them: read, and rendered, before the transaction that writes begins."""
    with reading():
        rows = timeline.old(task_id, AT_ONCE)
        db.session.commit()
    for row in rows:
        row.content_html = render(row.content).html if row.event_type == "comment" else ""
    return rows
