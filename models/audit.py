"""The audit log: append-only, each row sealed with the hash of the one before."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import JSON, Index, String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Model, Row, changed_rows, db, utcnow
from models.text import invalid

GENESIS = "0" * 64
"""The hash before the first entry."""


class Mark(NamedTuple):
    """Where the chain ended at some moment; noted elsewhere, it shows when the log was rewritten."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Mark:
        """The mark that was printed so; Invalid for anything else."""
        seq, _, sealed = text.strip().partition(":")
        if not seq.isascii() or not seq.isdecimal() or not re.fullmatch("[0-9a-f]{64}", sealed):
            raise invalid("head", "must look like 41:9f86…, as the clock wrote it")
        return cls(int(seq), sealed)


BEGINNING = Mark(0, GENESIS)


class AuditHead(Model):
    """One row: the end of the chain, locked by whoever appends, and what the last look at all of it found."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(default=0)
    hash: Mapped[str] = mapped_column(String(64), default=GENESIS)
    checked_at: Mapped[datetime | None]
    checked_seq: Mapped[int | None]
    """How many entries there were."""
    broken_at: Mapped[int | None]
    """The first that did not fit; none when the chain was whole."""


class AuditEntry(Row, Model):
    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_actor", "actor", "created_at"),)

    seq: Mapped[int] = mapped_column(unique=True)
    project_id: Mapped[UUID | None] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    digest: Mapped[str | None] = mapped_column(String(64))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    def as_said(self) -> dict[str, Any]:
        """All that the hash is made of, besides the hash before."""
        return {
            "seq": self.seq,
            "at": self.created_at.isoformat(timespec="microseconds"),
            "project": str(self.project_id or ""),
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
            "digest": self.digest or "",
        }

    def seal(self) -> str:
        """SHA-256 over the hash before and everything this row says."""
        text = json.dumps(self.as_said(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(f"{self.previous_hash}\n{text}".encode()).hexdigest()


def lock() -> None:
    """Let nobody else append until this transaction ends: what is read of the log meanwhile stays true."""
    db.session.execute(select(AuditHead.id).with_for_update())


def record(
    actor: str,
    action: str,
    subject: str,
    *,
    project_id: UUID | None = None,
    digest: str | None = None,
    **detail: Any,
) -> AuditEntry:
    """Append one entry to the chain, in the caller's transaction."""
    # The UPDATE takes the row's lock first, so that two appenders never continue from the same entry.
    changed_rows(update(AuditHead).where(AuditHead.id == 1).values(seq=AuditHead.seq + 1))
    head = db.session.scalars(
        select(AuditHead).where(AuditHead.id == 1).execution_options(populate_existing=True)
    ).one()
    entry = AuditEntry(
        seq=head.seq,
        project_id=project_id,
        actor=actor,
        action=action,
        subject=subject,
        detail=detail,
        digest=digest,
        previous_hash=head.hash,
        created_at=utcnow(),
    )
    entry.hash = head.hash = entry.seal()
    db.session.add(entry)
    db.session.flush()
    return entry


def head(session: Session) -> Mark:
    """The end of the chain, as the last who appended left it."""
    return Mark(*session.execute(select(AuditHead.seq, AuditHead.hash)).one())


def after(mark: Mark, limit: int) -> list[AuditEntry]:
    """The next entries, in order, as they are in the database at this moment."""
    query = select(AuditEntry).where(AuditEntry.seq > mark.seq).order_by(AuditEntry.seq).limit(limit)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def checked() -> AuditHead:
    """The head, with what the last look at the whole log found."""
    return db.session.scalars(select(AuditHead).where(AuditHead.id == 1)).one()


def note_check(seq: int, broken: int | None) -> None:
    """Remember what a look at all entries up to `seq` found."""
    found = {"checked_at": utcnow(), "checked_seq": seq, "broken_at": broken}
    changed_rows(update(AuditHead).where(AuditHead.id == 1).values(**found))


def broken_at(
    entries: Iterable[AuditEntry], marks: Iterable[Mark] = (), start: Mark = BEGINNING
) -> int | None:
    """The seq of the first entry after `start`, in order, that is missing or fits not the chain or a mark."""
    known = dict(marks)
    before, seq = start.hash, start.seq
    for entry in entries:
        if entry.seq != seq + 1 or entry.previous_hash != before or entry.hash != entry.seal():
            return entry.seq
        if entry.hash != known.get(entry.seq, entry.hash):
            return entry.seq
        before, seq = entry.hash, entry.seq
    return seq + 1 if seq < max(known, default=0) else None
