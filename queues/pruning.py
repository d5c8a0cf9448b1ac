"""Removes what has served its time: changes and answers, failed sign-ins, dead workers, unposted files."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from models.attachment import Attachment
from models.base import changed_rows, db, utcnow
from models.limits import IdempotencyKey, LoginAttempt
from models.stream import Stream, StreamChange
from models.worker import Worker

EVERY = 3600.0
CHANGES_LIVE = timedelta(days=2)
ATTEMPTS_LIVE = timedelta(days=1)
AT_ONCE = 5000
"""Rows of one stream in one transaction: its head is locked meanwhile."""


def prune(now: datetime | None = None) -> int:
    """How many rows went. A reader who is further behind than what is left is told `reset`."""
    now = now or utcnow()
    gone = prune_changes(now - CHANGES_LIVE)
    for statement in (
        delete(IdempotencyKey).where(IdempotencyKey.overdue(now)),
        delete(LoginAttempt).where(LoginAttempt.created_at < now - ATTEMPTS_LIVE),
    ):
        gone += changed_rows(statement)
        db.session.commit()
    gone += Worker.forget_dead()
    db.session.commit()
    return gone + prune_files(now)


def prune_files(now: datetime) -> int:
    gone = 0
    while Attachment.forget_unposted(now):
        db.session.commit()
        gone += 1
    db.session.commit()
    return gone


def prune_changes(before: datetime) -> int:
    gone = 0
    for name in _streams_with_changes(before):
        while pruned := _prune_stream(name, before):
            gone += pruned
    return gone


def _streams_with_changes(before: datetime) -> list[str]:
    old = select(StreamChange.stream).where(StreamChange.created_at < before).distinct()
    names = list(db.session.scalars(old))
    db.session.rollback()
    return names


def _prune_stream(name: str, before: datetime) -> int:
    """The oldest rows up to the last old one, and the floor with them: what is left has no gap."""
    of_stream = StreamChange.stream == name
    oldest = select(StreamChange.seq).where(of_stream).order_by(StreamChange.seq).limit(AT_ONCE)
    last_old = select(func.max(StreamChange.seq)).where(of_stream, StreamChange.created_at < before)
    floor = db.session.scalar(last_old.where(StreamChange.seq.in_(oldest)))
    if floor is None:
        db.session.rollback()
        return 0
    # The stream first, then its changes: the order in which a commit locks them too.
    changed_rows(update(Stream).where(Stream.name == name, Stream.floor < floor).values(floor=floor))
    gone = changed_rows(delete(StreamChange).where(of_stream, StreamChange.seq <= floor))
    db.session.commit()
    return gone
