"""Looks whether the audit log is whole, a stretch of it at a time, and notes what it found."""

import logging
from datetime import datetime, timedelta

from models import audit
from models.base import db, reading, utcnow

log = logging.getLogger(__name__)

EVERY = 15.0
STRETCH = 5_000
"""Entries that one look reads: some 0.2 s, in which the other duties of the clock wait."""
AGAIN = timedelta(hours=1)
"""How long after one look at the whole log the next one begins."""


class Auditor:
    """Reads the log from its first entry to its head, again and again."""

    def __init__(self) -> None:
        self._at = audit.BEGINNING
        self._rests_until: datetime | None = None

    def look(self) -> int:
        """Read the next stretch; 1 when with it the whole log was read and that was noted, else 0."""
        if self._rests_until is not None and utcnow() < self._rests_until:
            return 0
        with reading():
            end = audit.head(db.session())
            found = audit.after(self._at, STRETCH)
            broken = self._broken(found, end)
            db.session.rollback()
        if broken is None and len(found) == STRETCH:
            self._at = audit.Mark(found[-1].seq, found[-1].hash)
            return 0
        if broken is not None:
            log.error("the audit log was changed: entry %d is missing or does not fit", broken)
        audit.note_check(end.seq, broken)
        db.session.commit()
        self._at, self._rests_until = audit.BEGINNING, utcnow() + AGAIN
        return 1

    def _broken(self, found: list[audit.AuditEntry], end: audit.Mark) -> int | None:
        last = len(found) < STRETCH
        broken = audit.broken_at(found, [end] if last else [], self._at)
        reached = audit.Mark(found[-1].seq, found[-1].hash) if found else self._at
        if broken is None and (reached.seq > end.seq or (last and reached != end)):
            return end.seq + 1 if reached.seq > end.seq else end.seq
        return broken
