"""Times that a person chooses."""

from datetime import UTC, datetime, timedelta

from models.base import utcnow
from models.text import invalid

LATEST = timedelta(days=366)
"""How far ahead a time can be."""


def to_come(at: datetime | None) -> datetime | None:
    """The time to the second, in UTC; Invalid unless it is to come, within a year. None stays none."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise invalid("at", "must say its time zone")
    now = utcnow()
    if not now < at <= now + LATEST:
        raise invalid("at", f"must be a time to come, within {LATEST.days} days")
    return at.astimezone(UTC).replace(microsecond=0)


def iso(at: datetime | None) -> str | None:
    """As canonical bytes and metadata say it."""
    return at.astimezone(UTC).isoformat() if at else None
