"""The audit log: append-only, each row sealed with the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, changed_rows, db, utcnow

GENESIS = "0" * 64


class AuditHead(Model):
    """One row: the end of the chain, locked by whoever appends."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(default=0)
    hash: Mapped[str] = mapped_column(String(64), default=GENESIS)


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

    def seal(self) -> str:
        """SHA-256 over the hash before and everything this row says."""
        said = {
            "seq": self.seq,
            "at": self.created_at.isoformat(timespec="microseconds"),
            "project": str(self.project_id or ""),
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
            "digest": self.digest or "",
        }
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
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


def broken_at(entries: Iterable[AuditEntry]) -> int | None:
    """The seq of the first entry, in order, that does not fit the chain; None when all do."""
    before, seq = GENESIS, 0
    for entry in entries:
        if entry.seq != seq + 1 or entry.previous_hash != before or entry.hash != entry.seal():
            return entry.seq
        before, seq = entry.hash, entry.seq
    return None
