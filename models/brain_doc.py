"""Documents that agents read: each of one agent or of the whole project, with every version it had."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, defer, mapped_column, relationship

from models import audit, labs
from models.agent import Agent
from models.base import Model, Row, db, utcnow
from models.errors import Conflict, Forbidden
from models.executor_request import ExecutorRequest
from models.secret import digest as digest_of
from models.text import clean, invalid
from models.user import Membership, User

PROJECT = "project"
"""The key under which documents of the whole project are kept; no agent may have it."""
LONGEST = 60_000
"""Characters that a document may have, as a proposal of one may."""
DOC_TYPE = r"[a-z][a-z0-9_-]{0,63}"
FLAG = "knowledge"
KIND = "doc_edit"
RIGHT = "doc.edit"
OFF = "Knowledge is switched off in Labs"


class BrainDoc(Row, Model):
    """What a document says now; its versions say what it said before."""

    __tablename__ = "brain_docs"
    __table_args__ = (UniqueConstraint("project_id", "agent_key", "doc_type"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    agent_key: Mapped[str] = mapped_column(String(32))
    doc_type: Mapped[str] = mapped_column(String(64))
    content: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the content as UTF-8."""
    length: Mapped[int]
    version: Mapped[int]
    written_at: Mapped[datetime]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    """Who wrote this version, or approved it."""
    by_agent: Mapped[str | None] = mapped_column(String(32))
    """The agent whose proposal it was, if it was one."""

    user: Mapped[User] = relationship()

    @classmethod
    def write(
        cls,
        project_id: UUID,
        agent_key: str,
        doc_type: str,
        content: str,
        *,
        base_digest: str | None,
        by_user: UUID,
        by_agent: str | None = None,
        approval_id: UUID | None = None,
    ) -> BrainDoc:
        """Let the document say this. What it says already changes nothing.

        `base_digest` is of the content that was changed, None where there was no document. Conflict names
        who changed it since and when. Forbidden for a person without the right at this moment; what an
        agent proposed was approved by one.
        """
        text = cls.checked(project_id, agent_key, doc_type, content)
        if by_agent is None:
            Membership.must_allow(RIGHT, project_id, by_user)
        audit.lock()  # two who write at the same moment take turns
        doc = cls.find(project_id, agent_key, doc_type)
        if doc is not None and doc.digest == digest_of(text):
            return doc
        _must_stand(doc, base_digest)
        if doc is None:
            doc = cls(project_id=project_id, agent_key=agent_key, doc_type=doc_type, version=0)
            db.session.add(doc)
        doc._say(text, by_user, by_agent)
        db.session.add(BrainDocVersion.of(doc, base_digest, approval_id))
        detail = {} if approval_id is None else {"agent": by_agent, "approval": str(approval_id)}
        audit.record(f"person:{by_user}", "doc.written", f"doc {doc.name}", project_id=project_id,
                     digest=doc.digest, before=base_digest or "", version=doc.version, **detail)  # fmt: skip
        return doc

    def _say(self, text: str, by_user: UUID, by_agent: str | None) -> None:
        self.content, self.digest, self.length = text, digest_of(text), len(text)
        self.version += 1
        self.written_at, self.user_id, self.by_agent = utcnow(), by_user, by_agent
        db.session.flush()

    @classmethod
    def ask_for(
        cls, project_id: UUID, agent_key: str, doc_type: str, content: str, base_digest: str | None, by: UUID
    ) -> ExecutorRequest:
        """Ask the executor to write it; what it would refuse is refused now, as `write` does."""
        text = cls.checked(project_id, agent_key, doc_type, content)
        doc = cls.find(project_id, agent_key, doc_type)
        if doc is None or doc.digest != digest_of(text):
            _must_stand(doc, base_digest)
        wanted = {
            "agent_key": agent_key,
            "doc_type": doc_type,
            "content": text,
            "base_digest": base_digest,
        }
        return ExecutorRequest.ask(project_id, KIND, wanted, by)

    @classmethod
    def carry_out(cls, request: ExecutorRequest) -> BrainDoc:
        """Write what a person asked for; raises as `write` does."""
        wanted = request.payload
        if request.requested_by is None:
            raise Forbidden("nobody asked for this")
        return cls.write(
            request.project_id,
            wanted["agent_key"],
            wanted["doc_type"],
            wanted["content"],
            base_digest=wanted["base_digest"],
            by_user=request.requested_by,
        )

    @staticmethod
    def checked(project_id: UUID, agent_key: str, doc_type: str, content: object) -> str:
        """The content, if there may be such a document; Invalid names the field that is wrong."""
        if not labs.enabled(FLAG, project_id):
            raise Conflict(OFF)
        if not re.fullmatch(DOC_TYPE, doc_type):
            raise invalid("doc_type", "must be 1 to 64 of a-z, 0-9, - and _, and begin with a letter")
        if agent_key != PROJECT and Agent.by_key(project_id, agent_key) is None:
            raise invalid("agent_key", "is no agent of this project")
        return clean(content, "content", longest=LONGEST, shortest=0)

    # Reading.

    @classmethod
    def find(cls, project_id: UUID, agent_key: str, doc_type: str) -> BrainDoc | None:
        """The document as it is now."""
        query = select(cls).where(
            cls.project_id == project_id, cls.agent_key == agent_key, cls.doc_type == doc_type
        )
        return db.session.scalar(query.execution_options(populate_existing=True))

    @classmethod
    def without_content(cls) -> Any:
        """The query of documents for lists, which do not show what they say."""
        return select(cls).options(defer(cls.content, raiseload=True))

    @classmethod
    def of_project(cls, project_id: UUID, limit: int | None = None) -> list[BrainDoc]:
        """Without their contents, by agent and type."""
        query = cls.without_content().where(cls.project_id == project_id)
        return list(db.session.scalars(query.order_by(cls.agent_key, cls.doc_type).limit(limit)))

    @classmethod
    def said(cls, project_id: UUID, agent_key: str, doc_type: str, digest: str) -> str | None:
        """What the document said when it had this digest; None when it never had."""
        return db.session.scalar(
            select(BrainDocVersion.content)
            .join(cls, cls.id == BrainDocVersion.doc_id)
            .where(
                cls.project_id == project_id,
                cls.agent_key == agent_key,
                cls.doc_type == doc_type,
                BrainDocVersion.digest == digest,
            )
            .limit(1)
        )

    def versions(self, before: int | None = None, limit: int = 50) -> list[BrainDocVersion]:
        """The newest, or those before a number, without their contents."""
        query = select(BrainDocVersion).options(defer(BrainDocVersion.content, raiseload=True))
        query = query.where(BrainDocVersion.doc_id == self.id)
        if before is not None:
            query = query.where(BrainDocVersion.version < before)
        return list(db.session.scalars(query.order_by(BrainDocVersion.version.desc()).limit(limit)))

    def at(self, version: int) -> BrainDocVersion | None:
        return db.session.scalar(
            select(BrainDocVersion).where(
                BrainDocVersion.doc_id == self.id, BrainDocVersion.version == version
            )
        )

    @property
    def name(self) -> str:
        return f"{self.agent_key}/{self.doc_type}"

    @property
    def changed_by(self) -> str:
        """Who wrote the last version and when, as a sentence."""
        who = f"@{self.by_agent}, approved by {self.user.name}," if self.by_agent else self.user.name
        return f"{who} wrote version {self.version} at {self.written_at:%Y-%m-%d %H:%M} UTC"


class BrainDocVersion(Row, Model):
    """A version as it was written. Rows are only added."""

    __tablename__ = "brain_doc_versions"
    __table_args__ = (
        UniqueConstraint("doc_id", "version"),
        # What an agent wrote, somebody approved; what a person wrote needs no approval.
        CheckConstraint("(by_agent is null) = (approval_id is null)", name="approved"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    doc_id: Mapped[UUID] = mapped_column(ForeignKey("brain_docs.id"))
    version: Mapped[int]
    content: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    length: Mapped[int]
    base_digest: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    by_agent: Mapped[str | None] = mapped_column(String(32))
    approval_id: Mapped[UUID | None] = mapped_column(ForeignKey("approvals.id"))

    @classmethod
    def of(cls, doc: BrainDoc, base_digest: str | None, approval_id: UUID | None) -> BrainDocVersion:
        return cls(
            project_id=doc.project_id,
            doc_id=doc.id,
            version=doc.version,
            content=doc.content,
            digest=doc.digest,
            length=doc.length,
            base_digest=base_digest,
            user_id=doc.user_id,
            by_agent=doc.by_agent,
            approval_id=approval_id,
            created_at=doc.written_at,
        )


def _must_stand(doc: BrainDoc | None, base_digest: str | None) -> None:
    """Conflict unless what was changed is what stands now."""
    if doc is None and base_digest is not None:
        raise Conflict("there is no such document here")
    if doc is not None and doc.digest != base_digest:
        raise Conflict(f"{doc.changed_by}: look at it again", row=doc)
