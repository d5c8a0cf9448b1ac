"""The timeline of a task as it is read: its events, and what older tables say, by time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import String, cast, exists, func, literal, select, tuple_, union

from models.base import db, new_id
from models.legacy import TaskComment, TaskOutput
from models.task import Task
from models.task_event import TaskEvent

FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
LAST_SEQ = 2**31 - 1


class Place(NamedTuple):
    """Where an entry stands. What an older table says has no seq: of two at one time the ids decide."""

    created_at: datetime
    seq: int
    id: UUID

    @classmethod
    def of(cls, event: TaskEvent) -> Place:
        return cls(event.created_at, event.seq, event.id)

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """What `str` made, from an address; None for anything else."""
        try:
            at, seq, key = text.split("~")
            place = cls(datetime.strptime(at, FORMAT).replace(tzinfo=UTC), int(seq), UUID(key))
        except ValueError:
            return None
        return place if 0 <= place.seq <= LAST_SEQ else None

    def __str__(self) -> str:
        return f"{self.created_at.strftime(FORMAT)}~{self.seq}~{self.id.hex}"


def page(task_id: UUID, limit: int, before: Place | None = None) -> list[TaskEvent]:
    """The last entries, or those before a place, in order; what was not moved yet is in no session."""
    found = [*_events(task_id, limit, before), *old(task_id, limit, before)]
    return sorted(found, key=Place.of)[-limit:]


def old(task_id: UUID, limit: int, before: Place | None = None) -> list[TaskEvent]:
    """What older tables say and is no event yet."""
    return [
        row.as_event() for model in (TaskComment, TaskOutput) for row in _rows(model, task_id, limit, before)
    ]


def unmoved_tasks() -> list[UUID]:
    """The tasks of which older tables say what is no event yet."""
    found = [select(model.task_id).where(not_moved(model)) for model in (TaskComment, TaskOutput)]
    return list(db.session.scalars(union(*found).order_by("task_id")))


def move(task: Task, rows: list[TaskEvent]) -> int:
    """Make events of what older tables say, with its own time; how many, as some may be moved by now."""
    db.session.refresh(task, with_for_update=True)
    refs = [row.legacy_ref for row in rows]
    moved = set(db.session.scalars(select(TaskEvent.legacy_ref).where(TaskEvent.legacy_ref.in_(refs))))
    events = [row for row in rows if row.legacy_ref not in moved]
    for event in events:
        task.last_seq += 1
        event.id, event.seq = new_id(), task.last_seq
    db.session.add_all(events)
    db.session.flush()
    return len(events)


def _events(task_id: UUID, limit: int, before: Place | None) -> list[TaskEvent]:
    place = tuple_(TaskEvent.created_at, TaskEvent.seq)
    query = select(TaskEvent).where(TaskEvent.task_id == task_id)
    if before is not None:
        query = query.where(place < (before.created_at, before.seq))
    return list(
        db.session.scalars(query.order_by(TaskEvent.created_at.desc(), TaskEvent.seq.desc()).limit(limit))
    )


def _rows(model: Any, task_id: UUID, limit: int, before: Place | None) -> list[Any]:
    query = select(model).where(model.task_id == task_id, not_moved(model))
    if before is not None and before.seq:
        query = query.where(model.created_at <= before.created_at)
    elif before is not None:
        query = query.where(tuple_(model.created_at, model.id) < (before.created_at, before.id))
    return list(db.session.scalars(query.order_by(model.created_at.desc(), model.id.desc()).limit(limit)))


def not_moved(model: Any) -> Any:
    """The condition that no event was made of a row yet."""
    ref = literal(f"{model.__tablename__}:") + func.replace(cast(model.id, String), "-", "")
    return ~exists().where(TaskEvent.legacy_ref == ref)
