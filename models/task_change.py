"""One change of many tasks at once, each by its own verb: what cannot be changed stops no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.base import db
from models.errors import Conflict, DomainError, Invalid, NotFound
from models.task import Task
from models.user import User

MOST = 100
"""Tasks at once."""


@dataclass(frozen=True)
class Change:
    """Cancel, or else what the tasks are to be; what is None stays."""

    cancel: bool = False
    priority: str | None = None
    add_tags: Sequence[str] = ()
    agent_key: str | None = None

    def make(self, task: Task, by: User) -> None:
        """Raises as the task's verbs do."""
        if self.cancel:
            task.cancel(by)
        else:
            task.edit(by, priority=self.priority, add_tags=self.add_tags, agent_key=self.agent_key)


@dataclass(frozen=True)
class Outcome:
    """What became of one; without an error it is as was wanted."""

    id: UUID
    task: Task | None
    error: DomainError | None = None


def change_all(project_id: UUID, ids: Sequence[UUID], change: Change, by: User) -> list[Outcome]:
    """Change these tasks of the project, each once; another project's are not found."""
    mine = select(Task).where(Task.project_id == project_id, Task.id.in_(ids))
    tasks = {task.id: task for task in db.session.scalars(mine)}
    # In one order, so that two who change the same tasks wait for each other only once.
    done = {task_id: _changed(task_id, tasks.get(task_id), change, by) for task_id in sorted(set(ids))}
    return [done[task_id] for task_id in dict.fromkeys(ids)]


def _changed(task_id: UUID, task: Task | None, change: Change, by: User) -> Outcome:
    if task is None:
        return Outcome(task_id, None, NotFound())
    try:
        with db.session.begin_nested():
            change.make(task, by)
    except (Conflict, Invalid) as error:
        return Outcome(task_id, task, error)
    return Outcome(task_id, task)
