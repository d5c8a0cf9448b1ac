"""A proposal that somebody put aside for now: folded for him alone, and open for everybody else."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, db
from models.proposal import Proposal


class ProposalFold(Row, Model):
    __tablename__ = "proposal_folds"
    __table_args__ = (UniqueConstraint("user_id", "proposal_id"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    proposal_id: Mapped[UUID] = mapped_column(ForeignKey("proposals.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))

    @classmethod
    def of(cls, proposal: Proposal, user_id: UUID) -> ProposalFold | None:
        return db.session.scalar(select(cls).where(cls.proposal_id == proposal.id, cls.user_id == user_id))

    @classmethod
    def of_person(cls, user_id: UUID, proposal_ids: Collection[UUID]) -> dict[UUID, UUID]:
        """The proposal behind each of his folds among these proposals."""
        query = select(cls.id, cls.proposal_id).where(
            cls.user_id == user_id, cls.proposal_id.in_(proposal_ids)
        )
        return dict(db.session.execute(query).all())

    @classmethod
    def fold(cls, proposal: Proposal, user_id: UUID) -> ProposalFold:
        """Not now; a second time changes nothing."""
        if (before := cls.of(proposal, user_id)) is not None:
            return before
        made = cls(project_id=proposal.project_id, proposal_id=proposal.id, user_id=user_id)
        try:
            with db.session.begin_nested():
                db.session.add(made)
        except IntegrityError:
            return db.session.scalars(
                select(cls).where(cls.proposal_id == proposal.id, cls.user_id == user_id)
            ).one()
        return made

    @classmethod
    def unfold(cls, proposal: Proposal, user_id: UUID) -> None:
        if (made := cls.of(proposal, user_id)) is not None:
            db.session.delete(made)
