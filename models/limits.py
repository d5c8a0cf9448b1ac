"""Rows behind limits and repeats: attempts to sign in, and answers already given."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, db, utcnow
from models.errors import Conflict, TooMany

WINDOW = timedelta(minutes=15)
PER_ACCOUNT_AND_ADDRESS = 5
PER_ADDRESS = 20


class LoginAttempt(Row, Model):
    """A failed attempt; limits count by account *and* address, so nobody can lock another one out."""

    __tablename__ = "login_attempts"

    account_hash: Mapped[str] = mapped_column(String(64), index=True)
    address: Mapped[str] = mapped_column(String(64), index=True)

    @classmethod
    def check(cls, email: str, address: str, own: int = 0) -> None:
        """TooMany when this address failed too often; asked before the slow hash.

        With `own` one's own attempt is among those counted: asked after it was committed, guesses
        made at the same moment cannot all get through.
        """
        since = utcnow() - WINDOW
        here = select(func.count()).where(cls.address == address, cls.created_at > since)
        both = here.where(cls.account_hash == _account(email))
        if (db.session.scalar(both) or 0) >= PER_ACCOUNT_AND_ADDRESS + own or (
            db.session.scalar(here) or 0
        ) >= PER_ADDRESS + own:
            raise TooMany(
                "too many failed attempts, try again later", retry_after=int(WINDOW.total_seconds())
            )

    @classmethod
    def failed(cls, email: str, address: str) -> LoginAttempt:
        attempt = cls(account_hash=_account(email), address=address)
        db.session.add(attempt)
        return attempt


def _account(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()


class IdempotencyKey(Row, Model):
    """The answer to a POST, kept for seven days for whoever repeats it."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("principal", "key"),)

    principal: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(128))
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    answer: Mapped[Any] = mapped_column(JSON)
    LIFE = timedelta(days=7)

    @classmethod
    def answered(cls, principal: str, key: str, request_hash: str) -> IdempotencyKey | None:
        """The earlier answer to the same request; Conflict when the key came with another request."""
        row = db.session.scalar(select(cls).where(cls.principal == principal, cls.key == key))
        if row is not None and row.request_hash != request_hash:
            raise Conflict(
                "this Idempotency-Key was used for another request",
                fields={"Idempotency-Key": ["was used"]},
            )
        return row

    @classmethod
    def overdue(cls, now: datetime) -> Any:
        return cls.created_at < now - cls.LIFE
