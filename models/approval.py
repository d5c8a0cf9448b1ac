"""An approval: one person's decision on the digest of exactly what was shown. Rows are only added."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Model, Row, changed_rows, db, utcnow
from models.decider import Decider
from models.errors import Conflict
from models.user import User

_IN_FORCE = text("voided_at IS NULL")


class Approval(Row, Model):
    """`voided_at` and `void_reason` are written once; triggers refuse every other change."""

    __tablename__ = "approvals"
    __table_args__ = (
        UniqueConstraint("subject_id", "digest", "attempt"),
        # What refers to an approval refers to its digest, too.
        UniqueConstraint("id", "subject_id", "digest"),
        Index(
            "uq_approvals_in_force",
            "subject_id",
            "digest",
            unique=True,
            sqlite_where=_IN_FORCE,
            postgresql_where=_IN_FORCE,
        ),
        # The session is this person's, and no token has one.
        ForeignKeyConstraint(["session_id", "user_id"], ["user_sessions.id", "user_sessions.user_id"]),
        CheckConstraint("subject_type in ('proposal', 'plan')", name="subject_type"),
        CheckConstraint("decision in ('approved', 'rejected')", name="decision"),
        CheckConstraint(
            "decision <> 'approved' or (user_id is not null and session_id is not null)", name="by_a_person"
        ),
        CheckConstraint("(voided_at is null) = (void_reason is null)", name="voided"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    subject_type: Mapped[str] = mapped_column(String(8))
    subject_id: Mapped[UUID]
    digest: Mapped[str] = mapped_column(String(64))
    attempt: Mapped[int]
    canonical: Mapped[bytes] = mapped_column(LargeBinary)
    """What was decided on, to the byte: nothing else is ever carried out."""
    decision: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(Text, default="")
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    session_id: Mapped[UUID]
    decided_at: Mapped[datetime] = mapped_column(default=utcnow)
    valid_until: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None] = mapped_column(String(200))

    user: Mapped[User] = relationship()

    @classmethod
    def add(
        cls,
        subject_type: str,
        subject_id: UUID,
        project_id: UUID,
        said: tuple[bytes, str],
        decision: str,
        by: Decider,
        reason: str = "",
    ) -> Approval:
        """A decision on `said`, the bytes and their digest; the caller holds the subject's row."""
        canonical, digest = said
        earlier = select(func.count()).where(cls.subject_id == subject_id, cls.digest == digest)
        approval = cls(
            project_id=project_id,
            subject_type=subject_type,
            subject_id=subject_id,
            digest=digest,
            attempt=1 + (db.session.scalar(earlier) or 0),
            canonical=canonical,
            decision=decision,
            reason=reason,
            user_id=by.user.id,
            session_id=by.session.id,
        )
        db.session.add(approval)
        db.session.flush()
        return approval

    def void(self, reason: str) -> None:
        """It counts no more; Conflict when that was said before."""
        given = (Approval.id == self.id, Approval.voided_at.is_(None))
        voided = {"voided_at": utcnow(), "void_reason": reason[:200]}
        if changed_rows(update(Approval).where(*given).values(**voided)) == 0:
            raise Conflict("this approval was voided already")
        db.session.refresh(self)

    @property
    def sentence(self) -> str:
        """Who decided what and when."""
        return f"{self.user.name} {self.decision} this at {self.decided_at:%Y-%m-%d %H:%M} UTC"
