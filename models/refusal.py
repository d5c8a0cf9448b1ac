"""Refusals in the audit log: who tried what, in so few entries that a flood cannot fill the table."""

import logging
import sqlite3
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from models import audit
from models.audit import AuditEntry
from models.base import db, reading, utcnow
from models.errors import DomainError
from models.project import Project

log = logging.getLogger(__name__)

AGAIN = timedelta(minutes=10)
"""How long the same refusal of the same actor is not written again."""
HOUR = timedelta(hours=1)
PER_ACTOR = 30
OF_SIGN_INS = 300
"""Whoever fails to sign in is the one actor `nobody`, and one attacker must not hide all others."""


def note(
    actor: str,
    action: str,
    subject: str,
    *,
    project: UUID | str | None = None,
    most: int = PER_ACTOR,
    **detail: Any,
) -> bool:
    """Append an entry, in a transaction of its own; False when it is one too many, or cannot be written.

    `project`, by id or key, is the one that was asked for: where none is open, nobody was refused anything.
    """
    subject = subject[:200]
    try:
        with reading():
            where = _id_of(project)
            wanted = (project is None or where is not None) and _due(actor, action, subject, where, most)
            db.session.rollback()
        return wanted and _append(actor, action, subject, where, most, detail)
    except (SQLAlchemyError, sqlite3.Error, DomainError):
        db.session.rollback()
        log.warning("the audit log misses a refusal: %s of %s", action, actor, exc_info=True)
        return False


def _id_of(project: UUID | str | None) -> UUID | None:
    if project is None:
        return None
    column = Project.id if isinstance(project, UUID) else Project.key
    return db.session.scalar(select(Project.id).where(column == project, Project.archived_at.is_(None)))


def _due(actor: str, action: str, subject: str, project_id: UUID | None, most: int) -> bool:
    now = utcnow()
    mine = select(func.count()).where(AuditEntry.actor == actor, AuditEntry.action == action)
    same = mine.where(AuditEntry.subject == subject, AuditEntry.project_id.is_not_distinct_from(project_id))
    return (
        not db.session.scalar(same.where(AuditEntry.created_at > now - AGAIN))
        and (db.session.scalar(mine.where(AuditEntry.created_at > now - HOUR)) or 0) < most
    )


def _append(
    actor: str, action: str, subject: str, project_id: UUID | None, most: int, detail: dict[str, Any]
) -> bool:
    # Asked again behind the log's lock: those who are refused at the same moment see each other's entries.
    audit.lock()
    due = _due(actor, action, subject, project_id, most)
    if due:
        audit.record(actor, action, subject, project_id=project_id, **detail)
        db.session.commit()
    else:
        db.session.rollback()
    return due
