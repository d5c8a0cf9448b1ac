"""Rows behind limits and repeats: attempts to sign in, and answers already given."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Index, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, db, utcnow
from models.errors import Conflict, TooMany

WINDOW = timedelta(minutes=15)
PER_ACCOUNT_AND_ADDRESS = 5
PER_ADDRESS = 20
PER_DEVICE = 10
MOMENT = timedelta(minutes=1)
FROM_EVERYWHERE = 200

DEVICE = "@device:"
"""Begins the `address` of an attempt by a known device, which stands there in place of its address."""

_OFTEN = "too many failed attempts, try again later"
_CROWDED = "too many sign-ins fail at this moment, from all addresses together: try again in a minute"


class LoginAttempt(Row, Model):
    """A failed attempt; limits count by account *and* address, so nobody can lock another one out.

    A known device has only a limit of its own, which nobody else can use up.
    """

    __tablename__ = "login_attempts"
    __table_args__ = (Index("ix_login_attempts_created_at", "created_at"),)

    account_hash: Mapped[str] = mapped_column(String(64), index=True)
    address: Mapped[str] = mapped_column(String(64), index=True)

    @classmethod
    def check(cls, email: str, address: str, own: int = 0) -> None:
        """TooMany when this address, or all together, failed too often; asked before the slow hash.

        With `own` one's own attempt is among those counted: asked after it was committed, guesses
        made at the same moment cannot all get through.
        """
        here = cls.address == address
        if address.startswith(DEVICE):
            cls._refuse_after(PER_DEVICE + own, WINDOW, _OFTEN, here)
            return
        on_account = cls.account_hash == _account(email)
        cls._refuse_after(PER_ACCOUNT_AND_ADDRESS + own, WINDOW, _OFTEN, here, on_account)
        cls._refuse_after(PER_ADDRESS + own, WINDOW, _OFTEN, here)
        cls._refuse_after(FROM_EVERYWHERE + own, MOMENT, _CROWDED, ~cls.address.startswith(DEVICE))

    @classmethod
    def _refuse_after(cls, most: int, lately: timedelta, words: str, *which: Any) -> None:
        count = select(func.count()).select_from(cls).where(cls.created_at > utcnow() - lately, *which)
        if (db.session.scalar(count) or 0) >= most:
            raise TooMany(words, retry_after=int(lately.total_seconds()))

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
