"""A proposal: what an agent wants done, in the bytes that a person decides on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    and_,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship, selectinload

from models import audit, labs
from models.actions import ACTIONS, Params, Unreadable, assess, params_of, read_back
from models.allowed_host import AllowedHost
from models.approval import Approval
from models.base import Model, Row, Stateful, db, new_id, touch, utcnow
from models.canonical import canonical, digest_of
from models.decider import RIGHT, Decider
from models.errors import Changed, Conflict, Decided, NotFound, NotYours, TooMany
from models.message import Draft, Message
from models.note import Note
from models.policy import RIGHTS, ROLES
from models.posting import post
from models.project import Project
from models.run import Run
from models.task import Task
from models.task_event import TaskEvent
from models.text import clean, invalid
from models.thread import Thread
from models.user import Membership, User
from models.wish import Wish

KIND = "proposal"
STATUSES = ("proposed", "approved", "rejected", "executed", "failed")
LONGEST_REASON = 2000
OUTCOMES = {"executed": ("success", "it was done"), "failed": ("error", "it was not done")}
"""What a person can find out of an interrupted one: the status of its run, and the words for it."""
OPEN_PER_AGENT = 100
"""How many of an agent's proposals may wait at once: who is asked too often stops reading."""
DECIDED_ONCE = "(status in ('approved', 'executed', 'failed')) = (approval_id is not null)"
BY_SOMEBODY = (
    "(approval_id is null) = (approved_by is null) and (approval_id is null) = (approved_at is null)"
)


class Proposal(Row, Stateful, Model):
    """`canonical` is the one truth; a message shows it, in the metadata that the seed document names."""

    __tablename__ = "proposals"
    __table_args__ = (
        UniqueConstraint("message_id"),
        # Approved is only what an approval of this very digest says.
        ForeignKeyConstraint(
            ["approval_id", "id", "digest"], ["approvals.id", "approvals.subject_id", "approvals.digest"]
        ),
        CheckConstraint(
            "action_type in ('create_task', 'schedule_job', 'edit_doc', 'send_message', 'api_call',"
            " 'file_write')",
            name="action_type",
        ),
        CheckConstraint("risk_level in ('low', 'med', 'high')", name="risk_level"),
        CheckConstraint(
            "status in ('proposed', 'approved', 'rejected', 'executed', 'failed')", name="status"
        ),
        CheckConstraint(DECIDED_ONCE, name="decided"),
        CheckConstraint(BY_SOMEBODY, name="by_somebody"),
        # What no message shows, a task's event shows.
        CheckConstraint("(message_id is null) = (thread_id is null)", name="said"),
        CheckConstraint("executed_at is null or status in ('executed', 'failed')", name="executed"),
        Index("ix_proposals_project_id", "project_id", "created_at", "id"),
        Index("ix_proposals_status", "project_id", "status", "created_at", "id"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    thread_id: Mapped[UUID | None] = mapped_column(ForeignKey("project_chat_threads.id"))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("project_chat_messages.id"))
    """The message that shows it; none when an event of a task does."""
    listed: Mapped[bool]
    """Whether the whole project may see it; a DM's only when its owner may not decide. Never taken back."""
    action_type: Mapped[str] = mapped_column(String(16))
    canonical: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(default=1)
    risk_level: Mapped[str] = mapped_column(String(4))
    rules_shown: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(8), default="proposed")
    proposed_by: Mapped[str] = mapped_column(String(32))
    proposed_at: Mapped[datetime] = mapped_column(default=utcnow)
    edited_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    edited_at: Mapped[datetime | None]
    approval_id: Mapped[UUID | None]
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    approved_at: Mapped[datetime | None]
    executed_at: Mapped[datetime | None]
    execution_result: Mapped[str | None] = mapped_column(Text)

    project: Mapped[Project] = relationship()
    message: Mapped[Message | None] = relationship()
    thread: Mapped[Thread | None] = relationship()
    event: Mapped[TaskEvent | None] = relationship(
        primaryjoin=lambda: and_(
            foreign(TaskEvent.proposal_id) == Proposal.id, TaskEvent.event_type == "approval_request"
        ),
        uselist=False,
        viewonly=True,
    )
    approver: Mapped[User | None] = relationship(foreign_keys=lambda: Proposal.approved_by)
    editor: Mapped[User | None] = relationship(foreign_keys=lambda: Proposal.edited_by)
    approvals: Mapped[list[Approval]] = relationship(
        primaryjoin=lambda: foreign(Approval.subject_id) == Proposal.id,
        order_by=lambda: (Approval.decided_at, Approval.attempt),
        viewonly=True,
    )
    run: Mapped[Run | None] = relationship(
        primaryjoin=lambda: foreign(Run.approval_id) == Proposal.approval_id, uselist=False, viewonly=True
    )
    servers: Mapped[list[AllowedHost]] = relationship(
        primaryjoin=lambda: foreign(AllowedHost.project_id) == Proposal.project_id, viewonly=True
    )

    task: Mapped[Task | None] = relationship(
        primaryjoin=lambda: foreign(Task.proposal_id) == Proposal.id, uselist=False, viewonly=True
    )

    @classmethod
    def for_display(cls) -> Any:
        """The query of proposals with all that is said of them, in a fixed number of statements."""
        return select(cls).options(
            selectinload(cls.approvals),
            selectinload(cls.run),
            selectinload(cls.task),
            selectinload(cls.servers),
        )

    @classmethod
    def make(cls, thread: Thread, wish: Wish) -> Proposal:
        """A message of the agent that shows the proposal; the same wish again gives the first one."""
        if (before := cls._made_before(thread, wish.draft)) is not None:
            return before
        cls._refuse_too_many(thread.project_id, wish.draft.agent_key or "")
        listed = thread.owner_user_id is None or not _decides(thread.project_id, thread.owner_user_id)
        proposal = cls._of(wish, thread.project_id, listed)
        proposal.thread_id = thread.id
        proposal.message = post(thread, wish.draft)
        db.session.add(proposal)
        db.session.flush()
        proposal._show()
        return proposal

    @classmethod
    def make_in_task(cls, task: Task, wish: Wish) -> Proposal:
        """An event of the task's timeline that shows the proposal; the same wish again gives the first one.

        Conflict when another one came under its client_id.
        """
        db.session.refresh(task, with_for_update=True)
        draft = wish.draft
        note = Note("approval_request", draft.content, draft.client_id, draft.rendered.html)
        before = task.added(note, draft.agent_key or "")
        if before is not None and before.proposal is not None:
            return before.proposal._same_as(wish)
        cls._refuse_too_many(task.project_id, draft.agent_key or "")
        proposal = cls._of(wish, task.project_id, listed=True)
        db.session.add(proposal)
        db.session.flush()
        task.record(
            note.event_type,
            proposal.proposed_by,
            note.content,
            content_html=note.html,
            client_id=note.client_id,
            proposal_id=proposal.id,
            **proposal.as_metadata(),
        )
        return proposal

    @classmethod
    def _of(cls, wish: Wish, project_id: UUID, listed: bool) -> Proposal:
        params = wish.params.resolve(project_id)
        level, rules = assess(params, wish.raised)
        proposal = cls(
            id=new_id(),
            project_id=project_id,
            listed=listed,
            action_type=params.action_type,
            version=1,
            risk_level=level,
            rules_shown=rules,
            status="proposed",
            proposed_by=wish.draft.agent_key or "",
            proposed_at=utcnow(),
        )
        proposal.canonical, proposal.digest = proposal._said(params, level)
        return proposal

    def _same_as(self, wish: Wish) -> Proposal:
        """This, which came under the same client_id before; Conflict when something else is wished."""
        said, wished = self.action.as_json(), wish.params.model_dump(mode="json", exclude_unset=True)
        other = self.version == 1 and any(said.get(name) != value for name, value in wished.items())
        if self.action_type != wish.params.action_type or other:
            why = "was used for something else"
            raise Conflict(f"this client_id {why}", fields={"client_id": [why]})
        return self

    @classmethod
    def _made_before(cls, thread: Thread, draft: Draft) -> Proposal | None:
        return db.session.scalar(
            select(cls)
            .join(Message, Message.id == cls.message_id)
            .where(
                Message.project_id == thread.project_id,
                Message.author_key == draft.agent_key,
                Message.client_id == draft.client_id,
            )
        )

    @classmethod
    def _refuse_too_many(cls, project_id: UUID, agent_key: str) -> None:
        waiting = select(func.count()).where(
            cls.project_id == project_id, cls.status == "proposed", cls.proposed_by == agent_key
        )
        if (db.session.scalar(waiting) or 0) >= OPEN_PER_AGENT:
            raise TooMany(f"{OPEN_PER_AGENT} proposals of @{agent_key} wait for a person", retry_after=3600)

    def _said(self, params: Params, level: str) -> tuple[bytes, str]:
        """The bytes that are shown, hashed and carried out, and their digest."""
        said = {
            "v": 1,
            "project_id": str(self.project_id),
            "proposal_id": str(self.id),
            "proposed_by": self.proposed_by,
            "action_type": params.action_type,
            "params": params.as_json(),
            "risk_level": level,
        }
        data = canonical(said)
        return data, digest_of(KIND, data)

    # What it says.

    @property
    def action(self) -> Params:
        """The parameters, read from the canonical bytes alone; Unreadable when those say none."""
        return read_back(self.canonical)

    @classmethod
    def page(
        cls,
        project_id: UUID,
        reader: UUID,
        kinds: Collection[str],
        *,
        status: str | None = None,
        before: UUID | None = None,
        limit: int = 50,
    ) -> list[Proposal]:
        """The newest that this person may see in threads of these kinds, or those before one."""
        query = cls.for_display().outerjoin(Thread, Thread.id == cls.thread_id).where(
            cls.project_id == project_id, cls._stands_in(kinds), cls._seen_by(reader)
        )  # fmt: skip
        if status is not None:
            query = query.where(cls.status == status)
        if before is not None:
            anchor = db.session.get(cls, before)
            if anchor is None or anchor.project_id != project_id:
                raise NotFound
            query = query.where(tuple_(cls.created_at, cls.id) < (anchor.created_at, anchor.id))
        return list(db.session.scalars(query.order_by(cls.created_at.desc(), cls.id.desc()).limit(limit)))

    @classmethod
    def _stands_in(cls, kinds: Collection[str]) -> Any:
        return func.coalesce(Thread.kind, labs.OF_TASKS).in_(kinds)

    @classmethod
    def _seen_by(cls, reader: UUID) -> Any:
        return cls.listed | (Thread.owner_user_id == reader)

    @classmethod
    def waiting(cls, project_id: UUID, reader: UUID, kinds: Collection[str]) -> Sequence[Any]:
        """The ids of all that waits for a person and this one may see, oldest first, and whether each is
        listed. What `waits` says of one row, this asks of all."""
        undecided = cls.status == "proposed"
        unknown = and_(cls.status == "approved", Run.status == "interrupted")
        query = (
            select(cls.id, cls.listed)
            .outerjoin(Thread, Thread.id == cls.thread_id)
            .outerjoin(Run, Run.approval_id == cls.approval_id)
            .where(cls.project_id == project_id, cls._stands_in(kinds), cls._seen_by(reader))
        )
        oldest = query.where(or_(undecided, unknown)).order_by(cls.proposed_at, cls.id)
        return db.session.execute(oldest).all()

    @property
    def waits(self) -> bool:
        """Whether a person has something to do: to decide, or to look what became of it."""
        return self.status == "proposed" or (self.status == "approved" and self.execution == "interrupted")

    @property
    def why(self) -> str | None:
        """The agent's words as HTML; None where more people see the proposal than the conversation."""
        return None if self.listed and self.kind == "dm" else self.shown_by.content_html

    @property
    def kind(self) -> str:
        """Where it was made: the kind of a thread, or `tasks` (`labs.OF_PROPOSAL`)."""
        return self.thread.kind if self.thread is not None else labs.OF_TASKS

    @property
    def shown_by(self) -> Message | TaskEvent:
        """The message or the event of a task in whose place it stands."""
        shown = self.message or self.event
        assert shown is not None
        return shown

    @property
    def decision(self) -> Approval | None:
        """The decision in force, if there is one."""
        return next((each for each in reversed(self.approvals) if each.voided_at is None), None)

    @property
    def hindrance(self) -> str | None:
        """What would make it fail as things are, while it waits to be decided; None when nothing would."""
        if self.status != "proposed" or not ACTIONS[self.action_type].reaches_out:
            return None
        return self.action.hindrance([server.origin for server in self.servers])

    @property
    def execution(self) -> str | None:
        """What became of carrying it out; None while nobody approved it."""
        return self.run.state if self.run is not None else None

    def as_metadata(self) -> dict[str, Any]:
        """This row in the schema of the seed document, to the letter."""
        return {
            "action_type": self.action_type,
            "params": self.action.as_seed(),
            "risk_level": self.risk_level,
            "requires_approval": True,
            "status": self.status,
            "proposed_by": self.proposed_by,
            "proposed_at": _time(self.proposed_at),
            "approved_by": self.approver.handle if self.approver else None,
            "approved_at": _time(self.approved_at),
            "executed_at": _time(self.executed_at),
            "execution_result": self.execution_result,
        }

    def _show(self) -> None:
        """Let what shows it say what this row says now: an event, which only grows, is only touched."""
        db.session.expire(self, ["approvals", "run", "task", "approver", "editor"])
        if self.message is not None:
            self.message.meta = self.as_metadata()
        touch(self.shown_by)

    # Deciding.

    def approve(self, session_id: UUID | None, digest: str, name: str | None = None) -> Approval:
        """Let it be carried out. A high risk needs a fresh sign-in and the name of its object.

        Raises Decided (who, when), Changed (why), Forbidden, ReauthenticationNeeded or Invalid.
        """
        by = self._hold(session_id)
        self._must_be_open()
        self._must_be(digest)
        self._must_be_meant(by, name)
        approval = self._add("approved", by)
        self.advance(
            "status",
            "proposed",
            "approved",
            approval_id=approval.id,
            approved_by=by.user.id,
            approved_at=approval.decided_at,
        )
        Run.of_action(approval)
        self._show()
        return approval

    def reject(self, session_id: UUID | None, digest: str, reason: str = "") -> Approval:
        """It will not be done. Raises as approve does."""
        why = clean(reason, "reason", longest=LONGEST_REASON, shortest=0).strip()
        by = self._hold(session_id)
        self._must_be_open()
        self._must_be(digest)
        rejection = self._add("rejected", by, why)
        self.advance("status", "proposed", "rejected")
        self._show()
        return rejection

    def edit(
        self, session_id: UUID | None, digest: str, params: object, risk_level: str | None = None
    ) -> None:
        """Another content under another digest, to be approved anew; what was approved is void.

        The same content changes nothing. A risk that was raised stays raised. Raises as approve does.
        """
        by = self._hold(session_id)
        if self.status not in ("proposed", "approved"):
            raise self._decided()
        self._must_be(digest)
        new = params_of(self.action_type, params).resolve(self.project_id)
        raised = {rule["by"]: rule["level"] for rule in self.rules_shown if rule["by"]}
        if risk_level is not None:
            raised[by.user.handle] = risk_level
        level, rules = assess(new, raised)
        data, new_digest = self._said(new, level)
        if data == self.canonical:
            return
        changed = {
            "canonical": data,
            "digest": new_digest,
            "risk_level": level,
            "rules_shown": rules,
            "version": self.version + 1,
            "edited_by": by.user.id,
            "edited_at": utcnow(),
        }
        audit.record(by.key, "proposal.edited", self._name, project_id=self.project_id, digest=new_digest,
                     before=digest)  # fmt: skip
        if self.status == "approved":
            self._void(f"{by.user.name} edited it", changed)
        else:
            self.advance("status", "proposed", "proposed", **changed)
        self._show()

    def retry(self, session_id: UUID | None, digest: str, name: str | None = None) -> Approval:
        """After a failure a person decides once more on the same: a further approval, and a run of its own.

        Conflict unless it failed; else raises as approve does.
        """
        by = self._hold(session_id)
        if self.status != "failed":
            raise (
                self._decided() if self.status != "proposed" else Conflict("nobody approved it yet", row=self)
            )
        self._must_be(digest)
        self._must_be_meant(by, name)
        before = db.session.get_one(Approval, self.approval_id)
        failed = db.session.scalars(select(Run.id).where(Run.approval_id == before.id)).one()
        before.void(f"it failed, and {by.user.name} had it tried again")
        approval = self._add("approved", by, "again")
        self.advance(
            "status",
            "failed",
            "approved",
            approval_id=approval.id,
            approved_by=by.user.id,
            approved_at=approval.decided_at,
            executed_at=None,
            execution_result=None,
        )
        Run.of_action(approval, retry_of=failed)
        self._show()
        return approval

    def settle(self, session_id: UUID | None, digest: str, outcome: str, note: str = "") -> None:
        """A person looked whether it happened, where nobody else can know: executed or failed.

        Conflict unless it was interrupted; else raises as reject does.
        """
        if outcome not in OUTCOMES:
            raise invalid("outcome", f"must be {' or '.join(OUTCOMES)}")
        more = clean(note, "note", longest=LONGEST_REASON, shortest=0).strip()
        by = self._hold(session_id)
        if digest != self.digest:
            raise Changed(self._why_changed(digest), row=self)
        run_status, words = OUTCOMES[outcome]
        said = f"{by.user.name} looked: {words}. {more}".strip()
        run = db.session.scalar(select(Run).where(Run.approval_id == self.approval_id))
        if run is None or not run.end(run_status, said):
            raise Conflict(f"what became of this is known: it is {self._stands}", row=self)
        self.carried_out(outcome, said)
        audit.record(by.key, "proposal.settled", self._name, project_id=self.project_id, digest=self.digest,
                     run=str(run.id), outcome=outcome, **self.for_log(more))  # fmt: skip

    def carried_out(self, status: str, result: str) -> None:
        """Executed or failed, and what came of it: what people read on the card."""
        self.advance("status", "approved", status, executed_at=utcnow(), execution_result=result)
        self._show()

    def why_not(self, approval: Approval) -> str | None:
        """Why this approval is not to be carried out; None while it says to the byte what stands here."""
        if approval.voided_at is not None:
            return f"the approval is void: {approval.void_reason}"
        if (self.status, self.approval_id, approval.decision) != ("approved", approval.id, "approved"):
            return "this approval is not in force"
        if approval.valid_until is not None and approval.valid_until <= utcnow():
            return "the approval is no longer valid"
        if digest_of(KIND, approval.canonical) != approval.digest:
            return "what is stored is not what was approved"
        if isinstance(action := self.action, Unreadable):
            return f"it could not be read: {action.why}"
        if (approval.canonical, approval.digest) != (self.canonical, self.digest):
            return "what is proposed here is not what was approved"
        return None

    def void(self, reason: str) -> None:
        """What was approved does not count any more, and a person decides again; Conflict once it runs."""
        db.session.refresh(self, with_for_update=True)
        if self.status != "approved":
            raise Conflict("nothing is approved that could be voided", row=self)
        self._void(reason, {})
        audit.record("system", "proposal.voided", self._name, project_id=self.project_id, digest=self.digest,
                     **self.for_log(reason))  # fmt: skip
        self._show()

    def for_log(self, text: str) -> dict[str, str]:
        """What was said or came of it, for the audit log: of a hidden one only its SHA-256.

        Owners read that log, and not what is said in direct conversations.
        """
        if self.listed or not text:
            return {"reason": text}
        return {"reason_sha256": hashlib.sha256(text.encode()).hexdigest()}

    @classmethod
    def void_unbegun(cls, project_id: UUID, reason: str, *which: Any) -> None:
        """What was approved in this project and nobody began; the caller holds the end of the log."""
        approved = select(cls).where(cls.project_id == project_id, cls.status == "approved", *which)
        for proposal in db.session.scalars(approved.order_by(cls.id)):
            if proposal.run is not None and proposal.run.status == "queued":
                proposal.void(reason)

    @classmethod
    def decider_left(cls, project_id: UUID, user_id: UUID, name: str) -> None:
        """Somebody decides here no more: what he approved and nobody began is void, and others can decide.

        What waits in his direct conversations is shown to the whole project then; what is settled is not.
        """
        cls.void_unbegun(project_id, f"{name} may not decide here any more", cls.approved_by == user_id)
        hidden = select(cls).join(Thread, Thread.id == cls.thread_id)
        hidden = hidden.where(
            cls.project_id == project_id,
            cls.status.in_(("proposed", "approved")),
            Thread.owner_user_id == user_id,
            ~cls.listed,
        )
        for proposal in db.session.scalars(hidden.order_by(cls.id)):
            proposal.listed = True

    def _hold(self, session_id: UUID | None) -> Decider:
        """The person who decides, and this row as it is now, held until the transaction ends.

        The log comes first, as for everybody who changes rights: else two would wait crosswise.
        """
        audit.lock()
        by = Decider.of(session_id, self.project_id)
        db.session.refresh(self, with_for_update=True)
        if not self.listed and self.thread is not None and self.thread.owner_user_id != by.user.id:
            raise NotYours(self.project_id)
        return by

    def _must_be_open(self) -> None:
        if self.status != "proposed":
            raise self._decided()

    def _must_be_meant(self, by: Decider, name: str | None) -> None:
        """It can be read; a high risk needs a sign-in of the last minutes, and its object's name, typed."""
        if isinstance(action := self.action, Unreadable):
            raise Changed(f"this could not be read, so nobody can approve it: {action.why}", row=self)
        if self.risk_level == "high":
            by.must_be_fresh()
            if name != (wanted := action.object_name):
                raise invalid("name", f"must be typed as it is written here: {wanted}")

    def _must_be(self, digest: str) -> None:
        """Changed unless `digest` is that of what stands here now, to the last byte."""
        if digest != self.digest:
            raise Changed(self._why_changed(digest), row=self)
        if digest_of(KIND, self.canonical) != self.digest:
            raise Changed("what is stored is not what was proposed: nobody can approve it", row=self)

    def _why_changed(self, digest: str) -> str:
        void = next((each for each in reversed(self.approvals) if each.digest == digest), None)
        if void is not None and void.void_reason:
            return f"the approval of this is void: {void.void_reason}"
        if self.editor is not None and self.edited_at is not None:
            return f"{self.editor.name} edited this at {self.edited_at:%Y-%m-%d %H:%M} UTC: look at it again"
        return "this is not what is proposed here: look at it again"

    def _decided(self) -> Decided:
        said = self.decision
        return Decided(said.sentence if said else f"this is {self.status} already", row=self)

    @property
    def _stands(self) -> str:
        """What is true of it, in the words of a sentence."""
        db.session.expire(self, ["run"])
        if self.status == "approved" and self.run is not None:
            return {"waiting": "waiting to begin", "running": "being carried out"}.get(
                self.run.state, self.status
            )
        return self.status

    def _add(self, decision: str, by: Decider, reason: str = "") -> Approval:
        approval = Approval.add(
            KIND, self.id, self.project_id, (self.canonical, self.digest), decision, by, reason
        )
        audit.record(by.key, f"proposal.{decision}", self._name, project_id=self.project_id,
                     digest=self.digest, approval=str(approval.id), action_type=self.action_type,
                     **self.for_log(reason))  # fmt: skip
        if self.event is not None:
            db.session.get_one(Task, self.event.task_id, with_for_update=True).resolved(approval, self.event)
        return approval

    def _void(self, reason: str, changed: dict[str, Any]) -> None:
        approval = db.session.get_one(Approval, self.approval_id)
        run = db.session.scalars(select(Run).where(Run.approval_id == approval.id)).one()
        if not run.try_advance("status", "queued", "cancelled", finished_at=utcnow()):
            raise Conflict("this is being carried out already", row=self)
        approval.void(reason)
        self.advance(
            "status",
            "approved",
            "proposed",
            approval_id=None,
            approved_by=None,
            approved_at=None,
            **changed,
        )

    @property
    def _name(self) -> str:
        return f"proposal {self.id}"


def _decides(project_id: UUID, user_id: UUID) -> bool:
    """Whether this person may decide in the project."""
    user, membership = db.session.get(User, user_id), Membership.of(project_id, user_id)
    if user is None or membership is None or not user.active:
        return False
    return ROLES.index(membership.role) >= ROLES.index(RIGHTS[RIGHT])


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at is not None else None
