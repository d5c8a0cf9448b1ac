"""A project: the wall around everything that people and agents share."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Model, Row, db, utcnow
from models.text import clean_key, clean_name

if TYPE_CHECKING:
    from models.thread import Thread


class Project(Row, Model):
    __tablename__ = "projects"

    key: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    default_agent_key: Mapped[str | None] = mapped_column(String(32))
    archived_at: Mapped[datetime | None]

    threads: Mapped[list[Thread]] = relationship(back_populates="project", viewonly=True)

    @classmethod
    def create(cls, key: str, name: str) -> Project:
        """A project with its Team Room; every labs flag is off until an owner opts in."""
        from models.thread import Thread

        project = cls(key=clean_key(key), name=clean_name(name))
        db.session.add(project)
        db.session.flush()
        db.session.add(Thread(project_id=project.id, title="Team Room", kind="room"))
        return project

    @classmethod
    def by_key(cls, key: str) -> Project | None:
        return db.session.scalar(select(cls).where(cls.key == key, cls.archived_at.is_(None)))

    def archive(self) -> None:
        """Put it away: nobody enters, nothing is deleted, and no agent answers there any more.

        What was approved and nobody began is void: to open it again must carry out nothing by itself.
        """
        from models.delivery import Delivery
        from models.proposal import Proposal
        from models.task import Task

        Proposal.void_unbegun(self.id, "the project was archived")
        Task.void_unbegun(self.id, "the project was archived")
        self.archived_at = self.archived_at or utcnow()
        Delivery.put_back_closed(self.id)

    @property
    def room(self) -> Thread:
        from models.thread import Thread

        return db.session.scalars(
            select(Thread).where(Thread.project_id == self.id, Thread.kind == "room")
        ).one()


class ProjectSetting(Row, Model):
    __tablename__ = "project_settings"
    __table_args__ = (UniqueConstraint("project_id", "key"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    key: Mapped[str] = mapped_column(String(64))
    value: Mapped[Any] = mapped_column(JSON)

    @classmethod
    def read(cls, project_id: UUID, key: str) -> Any:
        """The value, or None when it was never set."""
        return db.session.scalar(_VALUE, {"project_id": project_id, "key": key})

    @classmethod
    def write(cls, project_id: UUID, key: str, value: Any) -> ProjectSetting:
        row = db.session.scalar(select(cls).where(cls.project_id == project_id, cls.key == key))
        if row is None:
            row = cls(project_id=project_id, key=key)
            db.session.add(row)
        row.value = value
        return row


# Asked by nearly every request, so put together once.
_VALUE = select(ProjectSetting.value).where(
    ProjectSetting.project_id == bindparam("project_id"), ProjectSetting.key == bindparam("key")
)
