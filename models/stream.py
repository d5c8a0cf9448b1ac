"""Streams: named, gapless, resumable logs of what changed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, utcnow


class Stream(Model):
    __tablename__ = "streams"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    head: Mapped[int] = mapped_column(default=0)
    floor: Mapped[int] = mapped_column(default=0)
    """Changes up to here are pruned; a reader below it is told `reset`."""


class StreamChange(Model):
    __tablename__ = "changes"

    stream: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    table: Mapped[str] = mapped_column("table_name", String(32))
    row_id: Mapped[UUID]
    op: Mapped[str] = mapped_column(String(6))
    created_at: Mapped[datetime] = mapped_column(default=utcnow, index=True)
