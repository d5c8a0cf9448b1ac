"""Labs flags: declared here with a sentence each; asking for another one raises."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.base import db
from models.project import Project, ProjectSetting
from models.text import invalid

SETTING = "labs_features"

FLAGS: dict[str, str] = {
    "team_room": "Team Room: people and agents talk in one realtime room.",
    "dms": "DMs: a private thread with each agent, two side by side.",
    "task_threads": "Task threads: one timeline of comments, plans, approvals and results for each task.",
    "runs": "Runs: lanes, live logs and templates of background work.",
    "schedule": "Schedule: heartbeats and scheduled jobs.",
    "skills": "Skills: what agents can do here and what each skill still needs.",
    "knowledge": "Knowledge: documents that agents read, with history and proposals.",
}

BUILT = ("team_room", "dms", "task_threads", "skills", "knowledge")
"""Flags whose pages exist today; the others are declared for the pages to come."""

OF_THREAD = {"room": "team_room", "dm": "dms"}
"""The flag that opens each kind of thread; `Thread.is_open` asks it in SQL."""

OF_TASKS = "tasks"
OF_PROPOSAL = OF_THREAD | {OF_TASKS: "task_threads"}
"""The flag that opens what was proposed in a thread of each kind, or in a task's timeline."""

OF_TABLE = {
    "brain_docs": "knowledge",
    "tasks": "task_threads",
    "task_events": "task_threads",
    "run_events": "task_threads",
    "schedules": "schedule",
    "skills_mirror": "skills",
}
"""The flag without which no row of a table is on a stream."""


def enabled(flag: str, project_id: UUID) -> bool:
    """Whether an owner of the project switched the flag on; KeyError for an undeclared flag."""
    FLAGS[flag]
    return bool(read(project_id)[flag])


def read(project_id: UUID) -> dict[str, bool]:
    """Every declared flag of the project; what was never set is off."""
    stored: Any = ProjectSetting.read(project_id, SETTING) or {}
    return {flag: bool(stored.get(flag, False)) for flag in FLAGS}


def write(project_id: UUID, changes: dict[str, bool]) -> dict[str, bool]:
    """Switch flags; Invalid names a flag that is not declared or a value that is not true or false."""
    for flag, value in changes.items():
        if flag not in FLAGS:
            raise invalid(flag, "is not a labs flag")
        if not isinstance(value, bool):
            raise invalid(flag, "must be true or false")
    flags = read(project_id) | changes
    ProjectSetting.write(project_id, SETTING, flags)
    if any(changes.get(flag) is False for flag in OF_THREAD.values()):
        from models.delivery import Delivery

        Delivery.put_back_closed(project_id)
    return flags


def open_threads(project_ids: Collection[UUID]) -> dict[UUID, frozenset[str]]:
    """The kinds of threads and the tables that are open in each of these projects; in one put away, none."""
    stored = (
        select(Project.id, ProjectSetting.value)
        .join(ProjectSetting, ProjectSetting.project_id == Project.id)
        .where(Project.id.in_(project_ids), Project.archived_at.is_(None), ProjectSetting.key == SETTING)
    )
    values: dict[UUID, Any] = {project_id: value for project_id, value in db.session.execute(stored)}
    return {
        project_id: frozenset(
            kind
            for kind, flag in (OF_THREAD | OF_TABLE).items()
            if values.get(project_id, {}).get(flag, False)
        )
        for project_id in project_ids
    }
