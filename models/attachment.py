"""A file of a message: what it is, and apart from that its bytes, in pieces."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Row, changed_rows, db, new_id
from models.errors import Conflict, DiskFull, Invalid, TooLarge
from models.image import Image
from models.project import Project
from models.text import clean_name, file_size, invalid
from models.thread import Thread
from models.user import User

PIECE = 256 << 10
"""Bytes that are read, kept and sent at a time: nobody waits long for one, and few are in memory."""
IN_MEMORY = 1 << 20
LONGEST_NAME = 200
OTHER = "application/octet-stream"
UNPOSTED_LIVES = timedelta(hours=24)


@dataclass(frozen=True)
class Received:
    """A file that came in whole, before anything of it is stored: no transaction waits for a network."""

    name: str
    file: IO[bytes]
    size: int
    sha256: str
    image: Image | None

    @classmethod
    @contextmanager
    def read(cls, name: object, stream: IO[bytes], most: int) -> Iterator[Received]:
        """Read all of it; Invalid or TooLarge name what is wrong with it."""
        name = clean_name(name, longest=LONGEST_NAME)
        with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            length, digest = 0, hashlib.sha256()
            while piece := stream.read(PIECE):
                length += len(piece)
                if length > most:
                    raise too_large(most)
                digest.update(piece)
                _write(file, piece)
            if not length:
                raise invalid("file", "is empty")
            file.seek(0)
            image = Image.of(file.read(PIECE))
            file.seek(0)
            yield cls(name, file, length, digest.hexdigest(), image)


def _write(file: IO[bytes], piece: bytes) -> None:
    try:
        file.write(piece)
        file.flush()  # else the last of it would fail later, where nobody expects it
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull("the disk is full: the file was not kept") from None


def too_large(most: int) -> TooLarge:
    why = f"is larger than {file_size(most)}"
    return TooLarge(f"file {why}", fields={"file": [why]})


class Attachment(Row, Model):
    """Its id is its uploader's choice, so that a repeat is known for one."""

    __tablename__ = "attachments"
    __table_args__ = (
        Index("ix_attachments_project_id", "project_id"),
        Index("ix_attachments_message_id", "message_id", "created_at"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    thread_id: Mapped[UUID]
    """Without a foreign key: a conversation begins with its first message, which may have files."""
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("project_chat_messages.id"))
    """Null until it is posted; till then it is nobody's but its uploader's."""
    uploaded_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    media_type: Mapped[str] = mapped_column(String(24))
    """As the first bytes say: one of four images, or else `application/octet-stream`."""
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    width: Mapped[int | None]
    height: Mapped[int | None]

    @classmethod
    def keep(cls, file_id: UUID, thread: Thread, by: User, file: Received, most: int) -> Attachment:
        """Keep a file for a message to come; a repeat gives the first. `most` is for all of the project."""
        before = db.session.get(cls, file_id)
        if before is not None:
            if before._is(thread, by, file):
                return before
            raise Conflict("this id was used for another file", fields={"attachment_id": ["was used"]})
        # Those who come at the same moment take turns, or all of them would fit.
        db.session.execute(
            select(Project.id).where(Project.id == thread.project_id).with_for_update(key_share=True)
        )
        if cls._bytes_in(thread.project_id) + file.size > most:
            why = f"does not fit: the files of this project may take {file_size(most)} together"
            raise Invalid(f"file {why}", fields={"file": [why]})
        kept = cls(
            id=file_id,
            project_id=thread.project_id,
            thread_id=thread.id,
            uploaded_by=by.id,
            name=file.name,
            media_type=file.image.media_type if file.image else OTHER,
            size=file.size,
            sha256=file.sha256,
            width=file.image.width if file.image else None,
            height=file.image.height if file.image else None,
        )
        try:
            with db.session.begin_nested():
                db.session.add(kept)
        except IntegrityError:  # the same request was quicker
            return cls.keep(file_id, thread, by, file, most)
        for place, piece in enumerate(iter(lambda: file.file.read(PIECE), b"")):
            row = {"id": new_id(), "attachment_id": file_id, "place": place, "content": piece}
            # Nothing is let in between on SQLite, as wherever something is written: others wait for the lock.
            db.session.execute(insert(AttachmentPiece), [row])
        return kept

    def _is(self, thread: Thread, by: User, file: Received) -> bool:
        mine = self.uploaded_by == by.id and self.thread_id == thread.id
        return mine and (self.name, self.sha256) == (file.name, file.sha256)

    @classmethod
    def _bytes_in(cls, project_id: UUID) -> int:
        return db.session.scalar(select(func.sum(cls.size)).where(cls.project_id == project_id)) or 0

    @classmethod
    def unposted(cls, ids: Collection[UUID]) -> dict[UUID, Attachment]:
        """Those that no message has yet, held: of two messages that want one the second finds none."""
        if not ids:
            return {}
        query = select(cls).where(cls.id.in_(ids), cls.message_id.is_(None)).order_by(cls.id)
        return {row.id: row for row in db.session.scalars(query.with_for_update())}

    def waits_for(self, user_id: UUID | None, thread: Thread) -> bool:
        """Whether this person may post it in this thread."""
        return self.uploaded_by == user_id and self.thread_id == thread.id

    @property
    def said(self) -> dict[str, Any]:
        """What its uploader is answered, and what its message says of it for ever."""
        told = {"id": str(self.id), "name": self.name, "size": self.size, "media_type": self.media_type}
        return told if self.width is None else told | {"width": self.width, "height": self.height}

    @property
    def is_image(self) -> bool:
        return self.media_type != OTHER

    @classmethod
    def forget(cls, *which: Any) -> int:
        """Remove them with their bytes, which the database does by itself; how many there were."""
        return changed_rows(delete(cls).where(*which))

    @classmethod
    def forget_unposted(cls, now: datetime) -> int:
        """Remove one that nobody posted in time; 0 when there is none. One at a time: its bytes take time."""
        unposted = cls.message_id.is_(None)
        late = select(cls.id).where(unposted, cls.created_at < now - UNPOSTED_LIVES).limit(1)
        # Asked once more of the row that is removed: it may be posted at this moment.
        return cls.forget(cls.id.in_(late.scalar_subquery()), unposted)


class AttachmentPiece(Row, Model):
    """Bytes have a table of their own, so that who asks for a file's name never reads them."""

    __tablename__ = "attachment_pieces"
    __table_args__ = (UniqueConstraint("attachment_id", "place"),)

    attachment_id: Mapped[UUID] = mapped_column(ForeignKey("attachments.id", ondelete="CASCADE"))
    place: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)

    @classmethod
    def at(cls, attachment_id: UUID, place: int) -> bytes | None:
        """The bytes at this place; None past the end, or when it was deleted."""
        here = select(cls.content).where(cls.attachment_id == attachment_id, cls.place == place)
        return db.session.scalar(here)
