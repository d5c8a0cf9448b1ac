"""Skills as the executor last found them: a mirror, for pages, of folders that only the executor reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from models import labs
from models.base import Model, Row, db
from models.errors import Conflict
from models.executor_request import ExecutorRequest
from models.project import Project, ProjectSetting
from models.text import invalid

FLAG = "skills"
RIGHT = "skill.check"
KIND = "skill_check"
SETTING = "skill_config"
OFF = "Skills are switched off in Labs"
STATUSES = ("ready", "needs_setup", "blocked")
DEEPEST_CONFIG = 8
LONGEST_VALUE = 2000
"""Characters of a value of the configuration."""


class Skill(Row, Model):
    """What one folder was at the last check. Rows come, change and go by `mirror` alone."""

    __tablename__ = "skills_mirror"
    __table_args__ = (
        UniqueConstraint("project_id", "source", "path"),
        CheckConstraint("status in ('ready', 'needs_setup', 'blocked')", name="status"),
        CheckConstraint("source in ('shipped', 'project')", name="source"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    source: Mapped[str] = mapped_column(String(8))
    """Whether it ships with Team Room, or lies in the project's workspace."""
    path: Mapped[str] = mapped_column(Text)
    """Its folder, relative to its root."""
    key: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    revision: Mapped[str] = mapped_column(String(64))
    """SHA-256 over all its files; empty where it could not be read whole."""
    status: Mapped[str] = mapped_column(String(12))
    missing: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    reasons: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    setup_steps: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    warnings: Mapped[list[str]] = mapped_column(JSON)
    checked_at: Mapped[datetime]
    checked_on: Mapped[str] = mapped_column(String(255))
    """The host whose worker looked."""

    @classmethod
    def of_project(cls, project_id: UUID) -> list[Skill]:
        """By name; the shipped one first where two have the same."""
        query = select(cls).where(cls.project_id == project_id)
        return list(db.session.scalars(query.order_by(cls.name, cls.source.desc(), cls.path)))

    @classmethod
    def own(cls, project_id: UUID, key: str) -> Skill | None:
        """The one with this key in the project's workspace, the one that is ready if there are several."""
        which = (cls.project_id == project_id, cls.source == "project", cls.key == key)
        # Of the statuses, ready is the last by name.
        return db.session.scalars(select(cls).where(*which).order_by(cls.status.desc(), cls.path)).first()

    @property
    def why_not(self) -> str:
        """Why it cannot be run; empty where it can."""
        if self.status == "ready":
            return ""
        state = "is blocked" if self.status == "blocked" else "needs setup"
        told = [*self.reasons, *self.setup_steps]
        return f"the skill {self.key} {state}" + (f": {told[0]['text']}" if told else "")

    @classmethod
    def mirror(cls, project_id: UUID, found: Sequence[Mapping[str, Any]], read_at: datetime) -> bool:
        """Let the rows be what was found, each with `source`, `path` and what is said of it.

        False, and nothing changes, when what is there was read later.
        """
        there = {(skill.source, skill.path): skill for skill in cls.of_project(project_id)}
        if any(skill.checked_at > read_at for skill in there.values()):
            return False
        for said in found:
            skill = there.pop((said["source"], said["path"]), None)
            if skill is None:
                skill = cls(project_id=project_id)
                db.session.add(skill)
            for name, value in said.items():
                setattr(skill, name, value)
            skill.checked_at = read_at
        for gone in there.values():
            db.session.delete(gone)
        return True

    @classmethod
    def ask_for(cls, project_id: UUID, by: UUID | None, skill: Skill | None = None) -> ExecutorRequest:
        """Ask the executor to look again: at all of the project's, since what mends one may mend others.

        Conflict while the flag is off. `skill` is the one for which somebody asked.
        """
        if not labs.enabled(FLAG, project_id):
            raise Conflict(OFF)
        wanted = {"skill_id": str(skill.id), "key": skill.key} if skill is not None else {}
        return ExecutorRequest.ask(project_id, KIND, wanted, by)

    @classmethod
    def ask_for_all(cls) -> int:
        """Ask for every project whose flag is on, as a worker does that begins; how many there are.

        Where one waits already, that one is enough.
        """
        projects = db.session.scalars(select(Project.id).where(Project.archived_at.is_(None))).all()
        wanted = [one for one in projects if labs.enabled(FLAG, one) and not cls._asked(one)]
        for project_id in wanted:
            cls.ask_for(project_id, None)
        return len(wanted)

    @staticmethod
    def _asked(project_id: UUID) -> bool:
        last = ExecutorRequest.newest(project_id, KIND)
        return last is not None and last.status == "queued"


def configuration(project_id: UUID) -> dict[str, Any]:
    """What the project's operator set for skills, as one tree."""
    stored = ProjectSetting.read(project_id, SETTING)
    return stored if isinstance(stored, dict) else {}


def configure(project_id: UUID, path: str, value: Any) -> None:
    """Set what stands at a dotted path; None takes it away. Invalid for a path or a value that cannot be."""
    parts = path.split(".")
    if not all(parts) or len(parts) > DEEPEST_CONFIG or len(path) > LONGEST_VALUE:
        raise invalid("path", f"must be 1 to {DEEPEST_CONFIG} names with dots between")
    if not isinstance(value, str | int | float | bool | None) or len(str(value)) > LONGEST_VALUE:
        raise invalid(
            "value", f"must be true, false, null, a number or a text of {LONGEST_VALUE:,} characters"
        )
    ProjectSetting.write(project_id, SETTING, _with(configuration(project_id), parts, value))


def _with(tree: dict[str, Any], parts: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy, so that the row is seen to change."""
    first, *rest = parts
    inner = tree.get(first)
    said = _with(inner if isinstance(inner, dict) else {}, rest, value) if rest else value
    others = {name: what for name, what in tree.items() if name != first}
    return others if said is None or said == {} else others | {first: said}
