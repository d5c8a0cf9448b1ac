"""Worker processes: what beats here within 30 seconds is healthy, and nothing else says so."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, delete, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, changed_rows, db, db_now, utcnow

CHAT, RUNS = EXECUTORS = ("chat", "runs")
"""The queues: whose workers answer for agents, and whose carry out what people approved."""
BEAT_SECONDS = 5
HEALTHY_SECONDS = 30


class Worker(Row, Model):
    __tablename__ = "workers"

    queue: Mapped[str] = mapped_column(String(16), index=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    slots: Mapped[int]
    busy: Mapped[int] = mapped_column(default=0)
    seen_at: Mapped[datetime] = mapped_column(default=utcnow)
    version: Mapped[str] = mapped_column(String(32), default="")
    isolation: Mapped[str] = mapped_column(String(16), default="none")

    def beat(self, busy: int) -> bool:
        """Say "alive, this many slots busy"; False when the row was taken away as dead."""
        return (
            changed_rows(update(Worker).where(Worker.id == self.id).values(seen_at=db_now(), busy=busy)) == 1
        )

    @classmethod
    def leave(cls, worker_id: object) -> None:
        changed_rows(delete(cls).where(cls.id == worker_id))

    @classmethod
    def healthy(cls, queue: str) -> bool:
        """Whether a worker of the queue beat within 30 s."""
        return db.session.scalar(select(cls.id).where(cls.queue == queue, cls._alive()).limit(1)) is not None

    @classmethod
    def free_slots(cls, queue: str) -> int:
        free = select(func.sum(cls.slots - cls.busy)).where(cls.queue == queue, cls._alive())
        return int(db.session.scalar(free) or 0)

    @classmethod
    def isolations(cls) -> set[str]:
        """Those of the healthy workers that run commands; see models.isolation."""
        return set(db.session.scalars(select(cls.isolation).where(cls.queue == RUNS, cls._alive())))

    @classmethod
    def last_seen(cls, queue: str) -> datetime | None:
        return db.session.scalar(
            select(func.max(cls.seen_at, type_=cls.seen_at.type)).where(cls.queue == queue)
        )

    @classmethod
    def forget_dead(cls, days: int = 1) -> int:
        return changed_rows(delete(cls).where(cls.seen_at < db_now(-86400 * days)))

    @classmethod
    def _alive(cls):  # type: ignore[no-untyped-def]
        return cls.seen_at > db_now(-HEALTHY_SECONDS)
