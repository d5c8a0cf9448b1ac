"""A message: what somebody said in a thread, and the fate of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    select,
)
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship, remote, selectinload

from models.attachment import Attachment
from models.base import Model, Row, db, new_id, touch, utcnow
from models.delivery import Delivery
from models.errors import Conflict, Forbidden
from models.markup import Rendered, render, words
from models.secret import digest
from models.text import clean, file_size, invalid
from models.thread import Thread, ThreadRead
from models.user import User

LONGEST = 16_384
LONGEST_ANSWER = 8 * LONGEST
EMOJI = ("👍", "❤️", "🎉", "😄", "👀", "✅", "🚀", "🤔")


@dataclass(frozen=True)
class Draft:
    """What somebody wants to post, already checked and rendered, so that the transaction is short."""

    user_id: UUID | None
    content: str
    rendered: Rendered
    client_id: str
    reply_to: UUID | None = None
    agent_key: str | None = None
    """The agent who posts with its token; then there is no user_id."""
    deliver_to: str | None = None
    """The one agent it goes to, whatever it mentions."""
    message_type: str = "text"
    """A proposal is for people: it calls no agent, whatever it mentions."""
    attachments: tuple[UUID, ...] = ()
    id: UUID = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utcnow)

    @classmethod
    def of(
        cls,
        user_id: UUID | None,
        content: object,
        client_id: object,
        reply_to: UUID | None = None,
        agent_key: str | None = None,
        deliver_to: str | None = None,
        attachments: Sequence[UUID] = (),
    ) -> Draft:
        """Check and render; Invalid names the field. What has files needs no words."""
        text = clean(content, "content", longest=LONGEST, shortest=0 if attachments else 1)
        key = clean(client_id, "client_id", longest=64)
        files = tuple(dict.fromkeys(attachments))
        return cls(user_id, text, render(text), key, reply_to, agent_key, deliver_to, attachments=files)

    @property
    def key(self) -> tuple[UUID | None, str | None, str | None]:
        """What is used once only: the author and his client_id."""
        return self.user_id, self.agent_key, self.client_id


@dataclass(frozen=True)
class Answer:
    """What an agent answers, rendered beforehand: long markdown takes a second, no lock waits for it."""

    content: str
    rendered: Rendered

    @classmethod
    def of(cls, text: str) -> Answer:
        """Model text is not trusted to be clean: what no database holds is taken away, or is too much."""
        text = text.replace("\0", "").encode("utf-8", "replace").decode()
        if len(text) > LONGEST_ANSWER:
            text = text[:LONGEST_ANSWER] + "\n\n(cut off here)"
        return cls(text, render(text))


_CHANGING = ("content", "status", "meta", "edited_at", "deleted_at", "first_digest")
"""What two who are at the same message may change under each other."""


class Message(Row, Model):
    __tablename__ = "project_chat_messages"
    __table_args__ = (
        UniqueConstraint("thread_id", "seq"),
        UniqueConstraint("user_id", "client_id"),
        UniqueConstraint("project_id", "author_key", "client_id"),
        CheckConstraint("author_kind in ('person', 'agent', 'system')", name="author_kind"),
        CheckConstraint("status in ('sent', 'delivered', 'read', 'failed')", name="status"),
        CheckConstraint(
            "message_type in ('text', 'task_proposal', 'action_proposal', 'system')",
            name="message_type",
        ),
        Index("ix_project_chat_messages_reply_to", "reply_to"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    thread_id: Mapped[UUID] = mapped_column(ForeignKey("project_chat_threads.id"))
    seq: Mapped[int]
    author_kind: Mapped[str] = mapped_column(String(6))
    author_key: Mapped[str | None] = mapped_column(String(32))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    content: Mapped[str] = mapped_column(Text)
    content_html: Mapped[str] = mapped_column(Text)
    message_type: Mapped[str] = mapped_column(String(16), default="text")
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    status: Mapped[str] = mapped_column(String(9), default="sent")
    target_agent_key: Mapped[str | None] = mapped_column(String(32))
    client_id: Mapped[str | None] = mapped_column(String(64))
    reply_to: Mapped[UUID | None]
    addressed: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Ids of the people who were mentioned; null when nobody was."""
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    first_digest: Mapped[str | None] = mapped_column(String(64))
    """Of what it said before it was edited or deleted; null while it says that still."""

    thread: Mapped[Thread] = relationship()
    quoted: Mapped[Message | None] = relationship(
        primaryjoin=lambda: remote(Message.id) == foreign(Message.reply_to), viewonly=True
    )
    reactions: Mapped[list[Reaction]] = relationship(back_populates="message", order_by="Reaction.created_at")
    deliveries: Mapped[list[Delivery]] = relationship(
        back_populates="message", order_by=lambda: (Delivery.created_at, Delivery.target_agent_key)
    )
    proposal: Mapped[Any] = relationship("Proposal", uselist=False, viewonly=True)
    """What it shows instead of its text, when it is a proposal."""

    @classmethod
    def for_display(cls) -> Any:
        """The query of messages with all that their partial shows, in a fixed number of statements."""
        return select(cls).options(
            selectinload(cls.reactions), selectinload(cls.deliveries), selectinload(cls.quoted)
        )

    @classmethod
    def page(
        cls,
        thread_id: UUID,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """Up to `limit` messages in order: the newest, those before a seq, or those after one."""
        query = cls.for_display().where(cls.thread_id == thread_id)
        if after is not None:
            return list(db.session.scalars(query.where(cls.seq > after).order_by(cls.seq).limit(limit)))
        if before is not None:
            query = query.where(cls.seq < before)
        return list(db.session.scalars(query.order_by(cls.seq.desc()).limit(limit)))[::-1]

    @classmethod
    def held_in(cls, thread: Thread) -> list[Message]:
        """All messages that the breaker held back in this pause, in order."""
        since = (cls.thread_id == thread.id, cls.seq >= (thread.paused_seq or 0))
        held = cls.meta["held"].as_string().is_not(None)
        return list(db.session.scalars(select(cls).where(*since, held).order_by(cls.seq)))

    def release(self) -> list[Delivery]:
        """Deliver what was held back and nobody delivered since, unless the message was deleted meanwhile."""
        self.lock()
        waiting = () if self.deleted_at is not None else self.meta["held"]
        undelivered = [key for key in waiting if not self.goes_to(key)]
        self.drop_held()
        return Delivery.address(self, undelivered)

    def drop_held(self) -> list[str]:
        """Hold it back no more; the agents that it was to call."""
        held: list[str] = self.meta["held"]
        self.meta = {key: value for key, value in self.meta.items() if key != "held"}
        return held

    @classmethod
    def read_by(cls, thread: Thread, user: User, after: int, upto: int) -> None:
        """A person's read mark passed these messages: those that addressed him may be read by all now."""
        query = select(cls).where(
            cls.thread_id == thread.id, cls.seq > after, cls.seq <= upto, cls.addressed.is_not(None)
        )
        for message in db.session.scalars(query.order_by(cls.seq.desc()).limit(200)):
            if str(user.id) in (message.addressed or ()):
                cls.follow_deliveries([message.id])

    @classmethod
    def follow_deliveries(cls, ids: Collection[UUID]) -> None:
        """Set the status of each from what became of its deliveries, whose lines its partial shows."""
        if not ids:
            return
        states: dict[UUID, set[str]] = {message_id: set() for message_id in ids}
        messages = db.session.scalars(_locked(), {"ids": ids}).all()
        for message_id, status in db.session.execute(_STATES, {"ids": ids}):
            states[message_id].add(status)
        for message in messages:
            message.status = message._status_of(states[message.id])
            db.session.expire(message, ["deliveries"])
            touch(message)

    def _status_of(self, states: set[str]) -> str:
        if "failed" in states:
            return "failed"
        if "queued" in states or not (states or self.addressed):
            return "sent"
        if "delivered" not in states and self._read_by_people():
            return "read"
        return "delivered" if states else "sent"

    def _read_by_people(self) -> bool:
        if not self.addressed:
            return True
        readers = select(ThreadRead.user_id).where(
            ThreadRead.thread_id == self.thread_id, ThreadRead.read_seq >= self.seq
        )
        return set(self.addressed) <= {str(user_id) for user_id in db.session.scalars(readers)}

    def edit(self, by: User, content: object, rendered: Rendered | None = None) -> None:
        """Change the text of one's own message, rendered before or now; who was addressed stays as it was."""
        self._must_be_own(by)
        text = clean(content, "content", longest=LONGEST, shortest=0 if self.files else 1)
        if text != self.content:
            self._remember()
            self.content, self.content_html = text, (rendered or render(text)).html
            self.edited_at = utcnow()
            self._touch_quoters()

    def delete(self, by: User) -> None:
        """Take back one's own message: its place stays, text and files go, and nobody answers it any more."""
        self._must_be_own(by)
        self._remember()
        self.content = self.content_html = ""
        self.deleted_at = utcnow()
        if self.files:
            Attachment.forget(Attachment.message_id == self.id)
            self.meta = {key: value for key, value in self.meta.items() if key != "files"}
        for delivery in Delivery.open_of(self.id):
            delivery.stop(by.name)
        self._touch_quoters()

    def _remember(self) -> None:
        if self.first_digest is None and self.edited_at is None:
            self.first_digest = digest(self.content)

    def _must_be_own(self, by: User) -> None:
        if self.user_id != by.id or self.author_kind != "person":
            raise Forbidden("only your own messages")
        self.lock()
        if self.deleted_at is not None:
            raise Conflict("this message was deleted", row=self)

    def _touch_quoters(self) -> None:
        for quoter in db.session.scalars(select(Message).where(Message.reply_to == self.id)):
            touch(quoter)

    def react(self, by: User, emoji: str) -> None:
        """Add a reaction; a second time changes nothing."""
        if emoji not in EMOJI:
            raise invalid("emoji", f"must be one of {' '.join(EMOJI)}")
        self.lock()
        if self.deleted_at is not None:
            raise Conflict("this message was deleted", row=self)
        if self._reaction(by, emoji) is None:
            db.session.add(
                Reaction(project_id=self.project_id, message_id=self.id, user_id=by.id, emoji=emoji)
            )
            self._reactions_changed()

    def unreact(self, by: User, emoji: str) -> None:
        self.lock()
        if (reaction := self._reaction(by, emoji)) is not None:
            db.session.delete(reaction)
            self._reactions_changed()

    def _reaction(self, by: User, emoji: str) -> Reaction | None:
        mine = (Reaction.message_id == self.id, Reaction.user_id == by.id, Reaction.emoji == emoji)
        return db.session.scalar(select(Reaction).where(*mine))

    def lock(self) -> None:
        """Two clicks at once wait for each other, and the second sees what the first did."""
        db.session.refresh(self, _CHANGING, with_for_update=True)

    def _reactions_changed(self) -> None:
        db.session.flush()
        db.session.expire(self, ["reactions"])
        touch(self)

    @property
    def proposes(self) -> bool:
        """Whether a card stands in its place."""
        return self.message_type in ("task_proposal", "action_proposal")

    @property
    def files(self) -> list[dict[str, Any]]:
        """What it says of its files, which never changes: who shows them asks no other table."""
        files: list[dict[str, Any]] = self.meta.get("files", [])
        return files

    @property
    def file_names(self) -> str:
        return ", ".join(file["name"] for file in self.files)

    @property
    def excerpt(self) -> str:
        """The first line, for a quote; without words the names of its files."""
        return (words(self.content_html) or self.file_names)[:140]

    @property
    def told(self) -> str:
        """What agents are told of it: its text, and that there are files."""
        files = [f"[file: {file['name']}, {file_size(file['size'])}]" for file in self.files]
        return "\n".join([self.content, *files] if self.content else files)

    @property
    def author(self) -> str:
        """Who wrote it, as one word for grouping: person:<id>, agent:<key> or system."""
        if self.author_kind == "person":
            return f"person:{self.user_id}"
        return f"agent:{self.author_key}" if self.author_kind == "agent" else "system"

    @property
    def key(self) -> tuple[UUID | None, str | None, str | None]:
        """As Draft.key."""
        return self.user_id, self.author_key, self.client_id

    def same_as(self, draft: Draft, thread: Thread) -> bool:
        """Whether a repeat of this client_id says the same in the same place."""
        same_reply = draft.deliver_to is not None or self.reply_to == draft.reply_to
        same_place = self.thread_id == thread.id and same_reply
        return same_place and self._has_files(draft.attachments) and self._said_first(draft.content)

    def _has_files(self, ids: Sequence[UUID]) -> bool:
        """Which they were is not known of one that was deleted."""
        return self.deleted_at is not None or [file["id"] for file in self.files] == [*map(str, ids)]

    def says(self, content: str) -> bool:
        """Whether this is its text, or was when it was posted."""
        return self.content == content or self._said_first(content)

    def _said_first(self, content: str) -> bool:
        """One that was changed before digests were kept is given the benefit of the doubt."""
        if self.first_digest is not None:
            return self.first_digest == digest(content)
        return self.content == content or self.edited_at is not None or self.deleted_at is not None

    def goes_to(self, agent_key: str) -> bool:
        """Whether it has a delivery to this agent; asked under its lock. Conflict when there can be none."""
        self.lock()
        mine = (Delivery.message_id == self.id, Delivery.target_agent_key == agent_key)
        if db.session.scalar(select(Delivery.id).where(*mine)) is not None:
            return True
        if self.deleted_at is not None or self.message_type == "system":
            raise Conflict("this message cannot be delivered", row=self)
        return False


class Reaction(Row, Model):
    __tablename__ = "reactions"
    __table_args__ = (UniqueConstraint("message_id", "user_id", "emoji"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    message_id: Mapped[UUID] = mapped_column(ForeignKey("project_chat_messages.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    emoji: Mapped[str] = mapped_column(String(16))

    message: Mapped[Message] = relationship(back_populates="reactions")


# Put together once: every step of every delivery asks them.
_STATES = select(Delivery.message_id, Delivery.status).where(
    Delivery.message_id.in_(bindparam("ids", expanding=True))
)


@cache
def _locked() -> Any:
    """In the order of their ids, so that two who wait for each other's rows cannot be."""
    ids = Message.id.in_(bindparam("ids", expanding=True))
    return (
        select(Message)
        .where(ids)
        .order_by(Message.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def system_line(thread: Thread, text: str) -> Message:
    """A line that the server writes into the thread."""
    message = Message(
        project_id=thread.project_id,
        thread_id=thread.id,
        seq=thread.next_seq(),
        author_kind="system",
        content=text,
        content_html=render(text).html,
        message_type="system",
        meta={},
    )
    db.session.add(message)
    return message
