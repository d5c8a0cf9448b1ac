"""A schedule: instructions that an agent is given again and again, since a person approved it once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models import labs
from models.actions import ScheduleJob
from models.base import Model, Row, db
from models.errors import Conflict

FLAG = "schedule"
OFF = "Schedule is switched off in Labs"


class Schedule(Row, Model):
    """Without `next_fire_at` nobody has worked out yet when it is due."""

    __tablename__ = "schedules"
    __table_args__ = (
        CheckConstraint("schedule_kind in ('every', 'cron')", name="schedule_kind"),
        CheckConstraint("output in ('activity', 'thread', 'task')", name="output"),
        Index("ix_schedules_project_id", "project_id", "created_at"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(String(80))
    schedule_kind: Mapped[str] = mapped_column(String(5))
    schedule_expr: Mapped[str] = mapped_column(String(100))
    time_zone: Mapped[str] = mapped_column(String(64))
    instructions: Mapped[str] = mapped_column(Text)
    target_agent_key: Mapped[str] = mapped_column(String(32))
    output: Mapped[str] = mapped_column(String(8))
    enabled: Mapped[bool] = mapped_column(default=True)
    next_fire_at: Mapped[datetime | None]
    proposal_id: Mapped[UUID] = mapped_column(ForeignKey("proposals.id"), unique=True)

    @classmethod
    def create(cls, project_id: UUID, wanted: ScheduleJob, proposal_id: UUID) -> Schedule:
        """What an approved proposal asked for. Conflict while schedules are switched off."""
        if not labs.enabled(FLAG, project_id):
            raise Conflict(OFF)
        schedule = cls(
            project_id=project_id,
            proposal_id=proposal_id,
            name=wanted.name,
            schedule_kind=wanted.schedule_kind,
            schedule_expr=wanted.schedule_expr,
            time_zone=wanted.time_zone,
            instructions=wanted.instructions,
            target_agent_key=wanted.target_agent_key,
            output=wanted.output,
            enabled=True,
        )
        db.session.add(schedule)
        db.session.flush()
        return schedule
