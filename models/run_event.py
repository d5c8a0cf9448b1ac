"""What a run did and what was printed, as it happened. Rows are only added."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, db
from models.run import Run

KINDS = ("command", "output", "said", "note")
LONGEST = 64_000
"""Characters of one event; a worker cuts what is longer into several."""


class RunEvent(Row, Model):
    """A command as it was given, what it printed, what the agent said, or a note of the worker."""

    __tablename__ = "run_events"
    __table_args__ = (
        UniqueConstraint("run_id", "seq"),
        CheckConstraint("kind in ('command', 'output', 'said', 'note')", name="kind"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id"))
    attempt: Mapped[int]
    seq: Mapped[int]
    kind: Mapped[str] = mapped_column(String(8))
    content: Mapped[str] = mapped_column(Text)

    @classmethod
    def add(cls, run: Run, told: list[tuple[str, str]]) -> None:
        """(kind, content) in order; the caller holds the run's row."""
        last = db.session.scalar(select(func.max(cls.seq)).where(cls.run_id == run.id)) or 0
        for seq, (kind, content) in enumerate(told, last + 1):
            db.session.add(
                cls(
                    project_id=run.project_id,
                    run_id=run.id,
                    attempt=run.attempt,
                    seq=seq,
                    kind=kind,
                    content=content[:LONGEST],
                )
            )
        db.session.flush()

    @classmethod
    def after(cls, run_id: UUID, seq: int, limit: int) -> list[RunEvent]:
        query = select(cls).where(cls.run_id == run_id, cls.seq > seq).order_by(cls.seq).limit(limit)
        return list(db.session.scalars(query))

    @classmethod
    def newest(cls, run_id: UUID, limit: int, characters: int) -> list[RunEvent]:
        """The last of them, in order: so many at most, and one more than fit into so many characters."""
        sizes = select(cls.seq, func.length(cls.content)).where(cls.run_id == run_id)
        first = 0
        for seq, size in db.session.execute(sizes.order_by(cls.seq.desc()).limit(limit)):
            first = seq
            characters -= size
            if characters < 0:
                break
        return cls.after(run_id, first - 1, limit)
