"""A project's tasks as its page lists them: those that fit, by status, the newest of each first."""

import heapq
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Text, case, cast, func, literal, or_, select, union_all
from sqlalchemy.orm import defer

from models.base import db
from models.run import AUDITS
from models.task import STATUSES, Task

OPEN, ALL = "open", "all"
HIDDEN = "completed"
"""What is shown only to who asks for it, or for all (the first seed document, phase 1)."""
LARGEST = 2**31 - 1
GRAVE = ("urgent", "high")
"""Priorities of findings that are shown as bad."""


@dataclass(frozen=True)
class Filter:
    """What is asked for; what is empty lets everything through."""

    status: str = OPEN
    """One of a task's, `all`, or `open`: all but completed."""
    text: str = ""
    """Its number, or a part of title or description."""
    priority: str = ""
    agent: str = ""
    tag: str = ""

    @property
    def empty(self) -> bool:
        return self == Filter()

    @property
    def statuses(self) -> tuple[str, ...]:
        if self.status in STATUSES:
            return (self.status,)
        return tuple(status for status in STATUSES if self.status == ALL or status != HIDDEN)

    def conditions(self) -> list[ColumnElement[bool]]:
        """All but the status."""
        found: list[ColumnElement[bool]] = []
        if self.text:
            found.append(or_(*self._says()))
        if self.priority:
            found.append(Task.priority == self.priority)
        if self.agent:
            found.append(Task.assignee_agent_key == self.agent)
        if self.tag:
            # As the column's serializer writes it, with its quotation marks: a whole tag.
            found.append(cast(Task.tags, Text).contains(json.dumps(self.tag), autoescape=True))
        return found

    def _says(self) -> list[ColumnElement[bool]]:
        # By ILIKE: PostgreSQL takes much longer to make small letters of every text.
        pattern = "%" + re.sub("([/%_])", r"/\1", self.text) + "%"
        found: list[ColumnElement[bool]] = [
            column.ilike(pattern, escape="/") for column in (Task.title, Task.description)
        ]
        digits = self.text.removeprefix("#")
        if digits.isascii() and digits.isdigit() and len(digits) < 11 and int(digits) <= LARGEST:
            found.append(Task.number == int(digits))
        return found


@dataclass(frozen=True)
class Column:
    """The tasks of one status that are shown, and how many fit in all."""

    status: str
    tasks: list[Task]
    count: int


class TaskList:
    """A project's tasks that fit a filter; which do is read once, since a search reads every text."""

    def __init__(self, project_id: UUID, wanted: Filter) -> None:
        self._project_id, self._wanted = project_id, wanted
        query = select(Task.status, Task.number).where(Task.project_id == project_id, *wanted.conditions())
        self._numbers: dict[str, list[int]] = {status: [] for status in STATUSES}
        for status, number in db.session.execute(query):
            self._numbers[status].append(number)

    @property
    def counts(self) -> dict[str, int]:
        """How many fit of each status, those that are not asked for as well."""
        return {status: len(numbers) for status, numbers in self._numbers.items()}

    def columns(self, limit: int, before: int | None = None) -> list[Column]:
        """The newest of each status that is asked for, `limit` in all; `before` a number, where given."""
        share = max(1, limit // len(self._wanted.statuses))
        numbers = {
            status: heapq.nlargest(share, self._below(status, before)) for status in self._wanted.statuses
        }
        tasks = self._tasks([number for of_one in numbers.values() for number in of_one])
        return [
            Column(status, [tasks[number] for number in shown], self.counts[status])
            for status, shown in numbers.items()
        ]

    def _below(self, status: str, before: int | None) -> Iterator[int]:
        return (number for number in self._numbers[status] if before is None or number < before)

    def _tasks(self, numbers: list[int]) -> dict[int, Task]:
        query = select(Task).where(Task.project_id == self._project_id, Task.number.in_(numbers))
        found = db.session.scalars(query.options(defer(Task.description, raiseload=True)))
        return {task.number: task for task in found}


@dataclass(frozen=True)
class Tab:
    """What is open under a tab of Tasks, and whether some of it was found to be urgent or high."""

    open: int
    grave: bool


def open_by_tab(project_id: UUID, more: str = "") -> dict[str, Tab]:
    """Of the list as it opens, by an empty key, and by its own of what each audit still finds, or `more`."""
    audits = tuple(dict.fromkeys((*AUDITS, *filter(None, [more]))))
    mine = Task.project_id == project_id
    listed = select(literal("").label("tab"), func.count(), literal(0)).where(mine, Task.status != HIDDEN)
    audit = case(*((Task.fingerprint.startswith(f"{key}/"), key) for key in audits)).label("tab")
    found = select(audit, func.count(), func.count(case((Task.priority.in_(GRAVE), 1)))).where(
        mine,
        Task.fingerprint.is_not(None),
        Task.gone_at.is_(None),
        Task.status.not_in(("completed", "cancelled")),
    )
    rows = db.session.execute(union_all(listed, found.group_by("tab")))
    there = {tab: Tab(count, grave > 0) for tab, count, grave in rows}
    return {tab: there.get(tab, Tab(0, False)) for tab in ("", *audits)}
