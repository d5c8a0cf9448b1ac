"""A plan: what an agent would do for a task, in the text that a person reads, changes and approves."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, db
from models.canonical import canonical, digest_of, parse
from models.text import clean, invalid

if TYPE_CHECKING:
    from models.task import Task

KIND = "plan"
"""What its digest is of."""
LONGEST = 40_000
MOST_STEPS = 30
LONGEST_STEP = 200
"""Characters of a step's title."""
BUDGET = {"cents": 500, "output_tokens": 200_000, "seconds": 3600, "turns": 100}
"""The most that carrying out one plan may cost; part of what is approved."""
_STEP = re.compile(r" {0,3}##[ \t]+(.*?)[ \t]*#*[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True)
class Step:
    number: int
    title: str
    body: str


class Plan(Row, Model):
    """One version of a task's plan. Rows are only added; the task says which one counts."""

    __tablename__ = "plans"
    __table_args__ = (
        UniqueConstraint("task_id", "version"),
        # It was made by a run, or changed by a person.
        CheckConstraint("(run_id is null) <> (user_id is null)", name="made_by"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))
    version: Mapped[int]
    canonical: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("runs.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))

    @classmethod
    def add(
        cls, task: Task, agent_key: str, text: str, *, run_id: UUID | None = None, user_id: UUID | None = None
    ) -> Plan:
        """The next version; the caller holds the task's row. Invalid when the text is no plan."""
        plain = checked(text)
        last = db.session.scalar(select(func.max(cls.version)).where(cls.task_id == task.id))
        version = (last or 0) + 1
        # With its version: who refused one has not refused a later one that says the same.
        data = canonical(
            {
                "v": 1,
                "task_id": str(task.id),
                "version": version,
                "title": task.title,
                "agent_key": agent_key,
                "text": plain,
                "budget": BUDGET,
            }
        )
        plan = cls(
            project_id=task.project_id,
            task_id=task.id,
            version=version,
            canonical=data,
            digest=digest_of(KIND, data),
            run_id=run_id,
            user_id=user_id,
        )
        db.session.add(plan)
        db.session.flush()
        return plan

    @classmethod
    def of(cls, task_id: UUID, version: int) -> Plan | None:
        return db.session.scalar(select(cls).where(cls.task_id == task_id, cls.version == version))

    @classmethod
    def generated(cls, task_id: UUID, version: int) -> Plan | None:
        """The one that an agent wrote and `version` was made of by hand; itself when nobody changed it."""
        written = cls.run_id.is_not(None), cls.version <= version
        newest = select(cls).where(cls.task_id == task_id, *written).order_by(cls.version.desc())
        return db.session.scalar(newest.limit(1))

    @classmethod
    def numbers(cls, task_id: UUID) -> list[int]:
        """Every version that there is."""
        return list(
            db.session.scalars(select(cls.version).where(cls.task_id == task_id).order_by(cls.version))
        )

    @classmethod
    def versions(cls, task_id: UUID, limit: int, before: int | None = None) -> list[Plan]:
        """The last of them, or those before a version, oldest first."""
        query = select(cls).where(cls.task_id == task_id)
        if before is not None:
            query = query.where(cls.version < before)
        return list(db.session.scalars(query.order_by(cls.version.desc()).limit(limit)))[::-1]

    @property
    def said(self) -> dict[str, Any]:
        """What the canonical bytes say, and nothing else does."""
        return parse(self.canonical)

    @property
    def text(self) -> str:
        return str(self.said["text"])

    @property
    def agent_key(self) -> str:
        return str(self.said["agent_key"])

    @property
    def whole(self) -> bool:
        """Whether the stored bytes are those of the digest."""
        return digest_of(KIND, self.canonical) == self.digest


def checked(text: str) -> str:
    """The text of a plan; Invalid unless it has a step, and each a title."""
    plain = clean(text.replace("\r\n", "\n"), "text", longest=LONGEST).strip()
    steps = steps_of(plain)
    if not 1 <= len(steps) <= MOST_STEPS:
        raise invalid("text", f"must have 1 to {MOST_STEPS} steps, each under a line that begins with ##")
    for step in steps:
        if not 1 <= len(step.title) <= LONGEST_STEP:
            raise invalid("text", f"step {step.number} needs a title of at most {LONGEST_STEP} characters")
    return plain


def opening_of(text: str) -> str:
    """What stands before the first step."""
    lines = text.split("\n")
    return "\n".join(lines[: _starts(lines)[0][1]]).strip()


def steps_of(text: str) -> list[Step]:
    """What each line that begins with ## opens, outside code."""
    lines = text.split("\n")
    found = _starts(lines)
    return [
        Step(number, title, "\n".join(lines[start + 1 : end]).strip())
        for number, ((title, start), (_, end)) in enumerate(itertools.pairwise(found), 1)
    ]


def with_step(text: str, number: int, changed: str) -> str:
    """The text with another step in the place of this one; Invalid when there is none of the number."""
    lines = text.split("\n")
    found = _starts(lines)
    if not 1 <= number < len(found):
        raise invalid("step", "is none of this plan")
    start, end = found[number - 1][1], found[number][1]
    return "\n".join([*lines[:start], changed.strip("\n"), "", *lines[end:]]).strip()


def source_of(text: str, number: int) -> str:
    """One step as it is written, its title included."""
    lines = text.split("\n")
    found = _starts(lines)
    return "\n".join(lines[found[number - 1][1] : found[number][1]]).strip()


def _starts(lines: list[str]) -> list[tuple[str, int]]:
    """The title and the line of each step, and the end of the text."""
    found: list[tuple[str, int]] = []
    fence = ""
    for place, line in enumerate(lines):
        if marks := _FENCE.match(line):
            fence = "" if fence and marks[1].startswith(fence) else fence or marks[1]
        elif not fence and (step := _STEP.fullmatch(line)):
            found.append((step[1], place))
    return [*found, ("", len(lines))]
