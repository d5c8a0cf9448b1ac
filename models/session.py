"""Signed-in sessions of people: rows, so that one can be seen and ended."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Select, String, and_, bindparam, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Model, Row, changed_rows, db, utcnow
from models.project import Project
from models.secret import digest
from models.user import Membership, User

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
NOTED_EVERY = timedelta(minutes=1)
FRESH = NOTED_EVERY * 15
"""How old a sign-in may be for what would help a thief most: members, invites, tokens and high risks."""


class UserSession(Row, Model):
    __tablename__ = "user_sessions"
    # A decision names its session and its person together.
    __table_args__ = (Index("uq_user_sessions_id_user_id", "id", "user_id", unique=True),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    seen_at: Mapped[datetime] = mapped_column(default=utcnow)
    authenticated_at: Mapped[datetime] = mapped_column(default=utcnow)
    ip: Mapped[str] = mapped_column(String(64), default="")
    user_agent: Mapped[str] = mapped_column(String(200), default="")
    revoked_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()

    @classmethod
    def start(cls, user: User, ip: str, user_agent: str) -> tuple[UserSession, str]:
        """A new session and the secret for its cookie."""
        secret = secrets.token_urlsafe(32)
        session = cls(user_id=user.id, token_hash=digest(secret), ip=ip[:64], user_agent=user_agent[:200])
        db.session.add(session)
        return session, secret

    @classmethod
    def by_secret(cls, secret: str) -> UserSession | None:
        """The living session behind a cookie, or None."""
        query = cls.alive(cls).where(cls.token_hash == digest(secret))
        return db.session.scalar(query, cls.living_at(utcnow()))

    @classmethod
    def alive(cls, *columns: Any) -> Select[Any]:
        """The query of living sessions of open accounts, to be kept and run with `living_at`."""
        return (
            select(*columns)
            .select_from(cls)
            .join(User, User.id == cls.user_id)
            .where(
                cls.revoked_at.is_(None),
                cls.seen_at > bindparam("used_after"),
                cls.created_at > bindparam("begun_after"),
                User.deactivated_at.is_(None),
            )
        )

    @classmethod
    def alive_in_projects(cls, *columns: Any) -> Select[Any]:
        """The same, one row for each open project that the person is in, and one for who is in none."""
        here = and_(Project.id == Membership.project_id, Project.archived_at.is_(None))
        return (
            cls.alive(*columns)
            .outerjoin(Membership, Membership.user_id == cls.user_id)
            .outerjoin(Project, here)
        )

    @staticmethod
    def living_at(now: datetime) -> dict[str, datetime]:
        """When a session must have been used, and begun, to live now."""
        return {"used_after": now - IDLE, "begun_after": now - LONGEST}

    def note_use(self) -> bool:
        """Remember that it is in use, at most once a minute; False when that was known, or it has ended.

        A process that knows a session without asking may hear last that it ended: no use revives it.
        """
        cls, now = UserSession, utcnow()
        if self.seen_at > now - NOTED_EVERY:
            return False
        living = (cls.revoked_at.is_(None), cls.seen_at > now - IDLE)
        return changed_rows(update(cls).where(cls.id == self.id, *living).values(seen_at=now)) == 1

    def revoke(self) -> None:
        if self.revoked_at is None:
            self.revoked_at = utcnow()

    @classmethod
    def revoke_all(cls, user: User, but: UUID | None = None) -> int:
        """End every session of the person (but one), and all known devices; how many sessions ended."""
        sessions = db.session.scalars(select(cls).where(cls.user_id == user.id, cls.revoked_at.is_(None)))
        ended = [session for session in sessions if session.id != but]
        for session in ended:
            session.revoke()
        user.forget_devices()
        return len(ended)
