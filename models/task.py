"""A task: work for an agent, which begins as a person's or an approved wish. Nothing of it runs by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from models import audit, labs
from models.agent import Agent
from models.approval import Approval
from models.base import Model, Row, Stateful, db, utcnow
from models.canonical import digest_of, parse
from models.decider import Decider
from models.errors import Busy, Changed, Conflict, Invalid
from models.markup import Rendered, render
from models.note import Note
from models.order import KIND as EXECUTION
from models.order import Order
from models.plan import KIND, Plan, checked, steps_of, with_step
from models.project import Project
from models.run import Run, audit_name
from models.tag import tags_of
from models.task_event import UI, TaskEvent
from models.text import clean, invalid, told
from models.times import iso, to_come

if TYPE_CHECKING:
    from models.finding import Finding
    from models.message import Message
    from models.user import User

STATUSES = ("pending", "planning", "review", "scheduled", "executing", "completed", "failed", "cancelled")
PRIORITIES = ("low", "normal", "high", "urgent")
APPROVAL = ("pending_plan", "pending_approval", "approved", "rejected")
PLANNABLE = ("pending", "planning", "review", "scheduled", "failed")
"""Where a plan can be asked for: a new one discards what is there."""
OUTCOMES = {"completed": ("success", "it was carried out"), "failed": ("error", "it was not carried out")}
"""What a person can find out of an interrupted execution: the status of its run, and the words for it."""
LONGEST_TITLE = 200
LONGEST_REMARK = 2000
SHORT = 300
"""Characters of evidence that stand in a line of the timeline."""
LONGEST_DESCRIPTION = 20_000
TRIES = 20
FLAG = "task_threads"
OFF = "tasks are switched off in Labs"
_FOUND = text("fingerprint IS NOT NULL")
_WAITS = text("waits_since IS NOT NULL")


class Task(Row, Stateful, Model):
    """`number` is the one that people say, counted in the project; `last_seq` counts its events."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        UniqueConstraint("proposal_id"),
        UniqueConstraint("message_id"),
        CheckConstraint(
            "status in ('pending', 'planning', 'review', 'scheduled', 'executing', 'completed', 'failed',"
            " 'cancelled')",
            name="status",
        ),
        CheckConstraint("source in ('proposal', 'message', 'finding')", name="source"),
        CheckConstraint(
            "approval_status in ('pending_plan', 'pending_approval', 'approved', 'rejected')",
            name="approval_status",
        ),
        CheckConstraint("priority in ('low', 'normal', 'high', 'urgent')", name="priority"),
        # A plan is decided on only while there is one.
        CheckConstraint("(plan_version is null) = (plan_digest is null)", name="planned"),
        CheckConstraint("status <> 'review' or plan_version is not null", name="reviewed"),
        CheckConstraint("status <> 'scheduled' or scheduled_time is not null", name="scheduled"),
        CheckConstraint(
            "waits_since is null and status <> 'review' or"
            " waits_since is not null and status in ('review', 'executing')",
            name="waits",
        ),
        # An agent's wish becomes a task by an approved proposal, and anything else is a person's own act.
        CheckConstraint("source <> 'proposal' or proposal_id is not null", name="proposed"),
        CheckConstraint("source <> 'message' or message_id is not null", name="promoted"),
        CheckConstraint("(source = 'finding') = (fingerprint is not null)", name="found"),
        Index(
            "ix_tasks_fingerprint",
            "project_id",
            "fingerprint",
            unique=True,
            sqlite_where=_FOUND,
            postgresql_where=_FOUND,
        ),
        Index("ix_tasks_status", "project_id", "status", "number"),
        Index(
            "ix_tasks_waiting",
            "project_id",
            "waits_since",
            sqlite_where=_WAITS,
            postgresql_where=_WAITS,
        ),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    number: Mapped[int]
    last_seq: Mapped[int] = mapped_column(default=0)
    title: Mapped[str] = mapped_column(String(LONGEST_TITLE))
    description: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(9), default="pending")
    source: Mapped[str] = mapped_column(String(8))
    priority: Mapped[str] = mapped_column(String(6), default="normal")
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    assignee_agent_key: Mapped[str | None] = mapped_column(String(32))
    proposal_id: Mapped[UUID | None] = mapped_column(ForeignKey("proposals.id"))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("project_chat_messages.id"))
    """The message that was promoted, or that shows the proposal; a task's event shows it otherwise."""
    fingerprint: Mapped[str | None] = mapped_column(String(144))
    found_priority: Mapped[str | None] = mapped_column(String(8))
    """The priority that an audit gave it; where that is another one, a person changed it."""
    """By which an audit knows again what it found; see models.finding."""
    gone_at: Mapped[datetime | None]
    """Since when the audit does not find it any more."""
    approval_status: Mapped[str | None] = mapped_column(String(16))
    plan_version: Mapped[int | None]
    """Which of its plans counts; none while there is none, or it was discarded."""
    plan_digest: Mapped[str | None] = mapped_column(String(64))
    scheduled_time: Mapped[datetime | None]
    """When its plan is made, while it is pending; else when it is, or was to be, carried out."""
    run_post_op: Mapped[bool] = mapped_column(default=False)
    """Whether the agent looks afterwards, when it went well."""
    step: Mapped[int | None]
    """The step of its plan that the agent began last, of so many `steps`, in the last attempt."""
    steps: Mapped[int | None]
    waits_since: Mapped[datetime | None]
    """Since when a person has something to do here: to decide on the plan, or to look what became of it."""

    @classmethod
    def create(
        cls,
        project_id: UUID,
        title: str,
        description: str,
        assignee_agent_key: str | None,
        *,
        source: str,
        author: str,
        user_id: UUID | None,
        message_id: UUID | None = None,
        proposal_id: UUID | None = None,
        finding: Finding | None = None,
    ) -> Task:
        """A pending task with its first event. `user_id` is the person without whom it would not be.

        Conflict while tasks are switched off.
        """
        if not labs.enabled(FLAG, project_id):
            raise Conflict(OFF)
        task = cls(
            project_id=project_id,
            last_seq=0,
            title=clean(title, "title", longest=LONGEST_TITLE),
            description=clean(description, "description", longest=LONGEST_DESCRIPTION, shortest=0),
            status="pending",
            source=source,
            assignee_agent_key=assignee_agent_key,
            proposal_id=proposal_id,
            message_id=message_id,
            fingerprint=finding.fingerprint if finding else None,
            priority=finding.priority if finding else "normal",
            found_priority=finding.priority if finding else None,
            tags=finding.all_tags if finding else [],
        )
        task._number()
        more: dict[str, Any] = {"audit": finding.audit} if finding else {}
        task.record("created", author, user_id=user_id, source=source, **more)
        return task

    @classmethod
    def promote(cls, message: Message, by: User) -> Task:
        """A person makes a task of what somebody said; the same message again gives the first one.

        Conflict for what is no text any more, or never was: a proposal becomes a task by its approval.
        """
        db.session.refresh(message, with_for_update=True)
        if message.message_type != "text" or message.deleted_at is not None:
            raise Conflict("only what somebody wrote can become a task", row=message)
        if (before := cls.of_message(message.id)) is not None:
            return before
        task = cls.create(
            message.project_id,
            _title_of(message.content or message.file_names),
            message.told[:LONGEST_DESCRIPTION],
            message.target_agent_key,
            source="message",
            author=UI,
            user_id=by.id,
            message_id=message.id,
        )
        message.meta = message.meta | {"task": task.number}
        return task

    # What audits find.

    @classmethod
    def from_finding(
        cls,
        project_id: UUID,
        finding: Finding,
        author: str,
        user_id: UUID | None = None,
        since: datetime | None = None,
    ) -> tuple[Task, str]:
        """The one task of what was found, and what that means: `new`, `known`, `back` or `dismissed`.

        What had been closed and is found again is pending again, unless it was closed after `since`, when
        the look began; what a person cancelled stays so while it is there. Conflict while tasks are switched
        off.
        """
        audit.lock()
        which = (cls.project_id == project_id, cls.fingerprint == finding.fingerprint)
        task = db.session.scalar(select(cls).where(*which).with_for_update())
        if task is None:
            words = f"{finding.description}\n\nEvidence, as {finding.audit_name} found it:\n\n"
            words = told(words + _as_code(finding.evidence), LONGEST_DESCRIPTION - 20)
            made = cls.create(
                project_id, finding.title, words, None, source="finding", author=author, user_id=user_id,
                finding=finding,
            )  # fmt: skip
            return made, "new"
        return task, task._found(finding, author, user_id, since)

    def _found(self, finding: Finding, author: str, user_id: UUID | None, since: datetime | None) -> str:
        was, gone = self.status, self.gone_at
        if was == "cancelled" and gone is None:
            return "dismissed"
        if was in ("completed", "cancelled") and Run.open_of(self) is None:
            if since is not None and self.events(1, "status_change")[0].created_at > since:
                return "known"  # what was seen may be from before somebody mended it
            self.advance(
                "status", was, "pending", approval_status=None, plan_version=None, plan_digest=None,
                priority=finding.priority, found_priority=finding.priority, gone_at=None,
            )  # fmt: skip
            self._moved(was, author, told(finding.evidence, SHORT), user_id)
            return "back"
        if gone is not None:
            self.gone_at = None
        worse = PRIORITIES.index(finding.priority) > PRIORITIES.index(self.priority)
        if worse and self.priority == self.found_priority:  # a person's word stays
            self.priority = self.found_priority = finding.priority
        self._looked(
            finding.audit, author, user_id, f"{finding.audit_name} found it again.", finding.evidence
        )
        return "back" if gone is not None else "known"

    @classmethod
    def still_found(cls, project_id: UUID, prefix: str) -> list[Task]:
        """Those whose fingerprint begins so, and that were there when an audit looked last."""
        fingerprints = cls.fingerprint.startswith(prefix, autoescape=True)
        query = select(cls).where(cls.project_id == project_id, fingerprints, cls.gone_at.is_(None))
        return list(db.session.scalars(query.order_by(cls.number).with_for_update()))

    def vanished(self, audit_key: str, author: str, evidence: str, user_id: UUID | None = None) -> bool:
        """The audit looked, and does not find it any more: whether that closed it.

        What somebody plans, decides on or carries out is not closed under his hands, but says so.
        """
        closes = self.status in ("pending", "failed") and Run.open_of(self) is None
        was, self.gone_at = self.status, utcnow()
        db.session.flush()
        if closes:
            self.advance("status", was, "completed", waits_since=None, approval_status=None)
            self._moved(was, author, told(evidence, SHORT), user_id)
        elif was != "completed":
            words = f"{audit_name(audit_key)} does not find it any more."
            self._looked(audit_key, author, user_id, words, evidence, found=False)
        return closes

    @property
    def found_by(self) -> str:
        """What people call the audit that found it, or the skill."""
        return audit_name((self.fingerprint or "").partition("/")[0])

    def _looked(
        self, audit_key: str, author: str, user_id: UUID | None, words: str, seen: str, found: bool = True
    ) -> None:
        html = render(f"{words}\n\n{_as_code(seen)}").html
        self.record(
            "agent_update", author, seen, user_id=user_id, content_html=html, audit=audit_key, found=found
        )

    @classmethod
    def of_message(cls, message_id: UUID) -> Task | None:
        return db.session.scalar(select(cls).where(cls.message_id == message_id))

    @classmethod
    def by_number(cls, project_id: UUID, number: int) -> Task | None:
        return db.session.scalar(select(cls).where(cls.project_id == project_id, cls.number == number))

    def events(self, limit: int, of_type: str | None = None) -> list[TaskEvent]:
        """The last of its timeline, or of one type, in the order of seq; pages read `models/timeline.py`."""
        query = select(TaskEvent).where(TaskEvent.task_id == self.id).order_by(TaskEvent.seq.desc())
        if of_type is not None:
            query = query.where(TaskEvent.event_type == of_type)
        return list(db.session.scalars(query.limit(limit)))[::-1]

    @classmethod
    def waiting(cls, project_id: UUID) -> list[Task]:
        """Those in which a person has something to do, the longest first."""
        query = select(cls).where(cls.project_id == project_id, cls.waits_since.is_not(None))
        return list(db.session.scalars(query.order_by(cls.waits_since, cls.id)))

    def edit(
        self,
        by: User,
        *,
        priority: str | None = None,
        tags: Sequence[str] | None = None,
        add_tags: Sequence[str] = (),
        agent_key: str | None = None,
    ) -> None:
        """What a person says of it: how urgent it is, its tags, and whose it is; what is None stays.

        Conflict for another agent once it is planned, Invalid for what cannot be.
        """
        wanted = {"priority": priority, "tags": tags if tags is None else tags_of(tags)}
        if priority is not None and priority not in PRIORITIES:
            raise invalid("priority", f"must be one of {', '.join(PRIORITIES)}")
        self._hold()
        if add_tags:
            wanted["tags"] = tags_of([*(tags if tags is not None else self.tags), *add_tags], "add_tags")
        if agent_key is not None and agent_key != self.assignee_agent_key:
            wanted["assignee_agent_key"] = self._assignable(agent_key)
        new = {name: value for name, value in wanted.items() if value not in (None, getattr(self, name))}
        if not new:
            return
        old = {name: getattr(self, name) for name in new}
        for name, value in new.items():
            setattr(self, name, value)
        self._log(f"person:{by.id}", "edited", before=old, after=new)

    def _assignable(self, key: str) -> str:
        if Agent.by_key(self.project_id, key) is None:
            raise invalid("assignee_agent_key", "must be an agent of this project")
        if self.status != "pending":
            raise Conflict(f"a task that is {self.status} stays with its agent", row=self)
        if self.run is not None:
            raise Conflict("while a time is chosen for its plan, it stays with its agent", row=self)
        return key

    # Planning.

    @property
    def plan(self) -> Plan | None:
        """The one that counts."""
        return Plan.of(self.id, self.plan_version) if self.plan_version is not None else None

    @property
    def run(self) -> Run | None:
        """What is at work on it, or waits to be."""
        return Run.open_of(self)

    def request_plan(
        self,
        by: User,
        agent_key: str | None = None,
        remark: str = "",
        *,
        at: datetime | None = None,
        with_report: bool = False,
    ) -> Run:
        """Let an agent make a plan, now or at a time; one that there was is discarded, made or in the making.

        `with_report`: the agent is told the report of the last attempt. Conflict where it cannot be planned,
        Invalid for an agent that cannot plan, a remark too long, and a time that is past or too far away.
        """
        said = clean(remark, "remark", longest=LONGEST_REMARK, shortest=0).strip()
        at = to_come(at)
        self._hold()
        agent = self._planner(agent_key)
        was = self.status
        if was not in PLANNABLE:
            raise Conflict(f"a task that is {was} is not planned", row=self)
        told = {"agent_key": agent.key, "remark": said}
        if with_report and (runs := Run.attempts(self)):
            told["report_of"] = str(runs[-1].id)
        self._stop_run(f"{by.name} asked for another plan")
        self.advance(
            "status",
            PLANNABLE,
            "pending" if at else "planning",
            approval_status="pending_plan",
            assignee_agent_key=agent.key,
            plan_version=None,
            plan_digest=None,
            waits_since=None,
            scheduled_time=at,
            run_post_op=False,
        )
        run = Run.of_plan(self, at, **told)
        self._moved(was, UI, said, by.id, **_when(at))
        self._log(f"person:{by.id}", "plan_requested", run=str(run.id), **_when(at))
        return run

    def planning_begun(self) -> None:
        """The time that a person chose for it has come."""
        if self.status == "pending":
            self.advance("status", "pending", "planning", scheduled_time=None)
            self._moved("pending", self.assignee_agent_key or UI)

    def stop_planning(self, by: User) -> None:
        """Back to pending, without a plan. Conflict unless it is being planned, or is to be at a time."""
        self._hold()
        was = self.status
        if self.run is None:
            raise Conflict("nobody plans this", row=self)
        self.advance("status", ("planning", "pending"), "pending", approval_status=None, scheduled_time=None)
        self._stop_run()
        self._moved(was, UI, "", by.id)
        self._log(f"person:{by.id}", "planning_stopped")

    def cancel(self, by: User) -> None:
        """Nobody wants it any more. Conflict where it has ended, or is being carried out."""
        self._hold()
        was = self.status
        self.advance("status", PLANNABLE, "cancelled", waits_since=None, scheduled_time=None)
        self._stop_run(f"{by.name} cancelled the task")
        self._moved(was, UI, "", by.id)
        self._log(f"person:{by.id}", "cancelled")

    def planned(self, plan: Plan) -> None:
        """An agent made a plan, which waits for a person."""
        self.advance(
            "status",
            "planning",
            "review",
            approval_status="pending_approval",
            plan_version=plan.version,
            plan_digest=plan.digest,
            waits_since=utcnow(),
        )
        self.record("approval_request", plan.agent_key, **_names(plan))

    def unplanned(self, agent_key: str, reason: str) -> None:
        """There is no plan, and why: back to pending."""
        self.advance("status", ("planning", "pending"), "pending", approval_status=None, scheduled_time=None)
        self._moved("planning", agent_key, reason)

    # Deciding.

    def edit_plan(self, session_id: UUID | None, digest: str, text: str, step: int | None = None) -> Plan:
        """A further version, by hand, which waits for a person in its place; the same text changes nothing.

        `text` is the whole plan, or one step of it. Raises as `reject` does, and Invalid when it is no plan.
        """
        by, plan = self._to_decide(session_id, digest)
        whole = text if step is None else with_step(plan.text, step, text)
        if checked(whole) == plan.text:
            return plan
        new = Plan.add(self, plan.agent_key, whole, user_id=by.user.id)
        self.advance("status", "review", "review", plan_version=new.version, plan_digest=new.digest)
        self.record("approval_request", UI, user_id=by.user.id, **_names(new))
        self._log(by.key, "plan_edited", new.digest, before=digest)
        return new

    def approve(
        self, session_id: UUID | None, digest: str, at: datetime | None = None, post_op: str | None = None
    ) -> Approval:
        """Let the plan be carried out, now or at a time; `post_op` as in `Order.of`.

        Raises as `reject` does, and Invalid for a time that is past or too far away.
        """
        at = to_come(at)
        by, plan = self._to_decide(session_id, digest)
        return self._let_go("review", by, plan, at, post_op)

    def retry(self, session_id: UUID | None, digest: str, post_op: str | None = None) -> Approval:
        """It failed: a person decides once more on the same plan; a further approval, and a run of its own.

        `post_op` counts where somebody looks afterwards. Raises as `reject` does.
        """
        by, plan = self._to_decide(session_id, digest, "failed")
        failed = Run.executions(self)[-1]
        db.session.get_one(Approval, failed.approval_id).void(
            f"it failed, and {by.user.name} had it tried again"
        )
        return self._let_go("failed", by, plan, None, post_op if self.run_post_op else None, failed.id)

    def take_back(self, by: User) -> None:
        """Not at that time: the plan waits for a person again. Conflict unless it is scheduled."""
        self._hold()
        if self.status != "scheduled":
            raise Conflict(f"a task that is {self.status} has no time to take back", row=self)
        self._stop_run(f"{by.name} took it back")
        self._review_again(UI, "", by.id)
        self._log(f"person:{by.id}", "approval_taken_back", self.plan_digest)

    def execution_begun(self) -> None:
        """The time that a person chose for it has come."""
        if self.status == "scheduled":
            self.advance("status", "scheduled", "executing")
            self._moved("scheduled", self.assignee_agent_key or UI)

    def stop(self, by: User) -> None:
        """End the execution, or the look after it; Conflict where nothing runs.

        At once what has not begun or only reads, else its worker does.
        """
        self._hold()
        run = self.run if self.status in ("executing", "completed") else None
        if run is None or run.status == "interrupted":
            raise Conflict("nothing runs here that could be stopped", row=self)
        if run.kind == "post_op":
            run.cancel()
            self.record("agent_update", UI, user_id=by.id, post_op="cancelled")
        elif not run.wish_stop(by.name):
            words = f"{by.name} stopped it before it began."
            run.cancel()
            self.executed(run, "failed", words, by.id)
        self._log(f"person:{by.id}", "stop_wished", run=str(run.id))

    def settle(self, session_id: UUID | None, outcome: str, note: str = "") -> None:
        """A person looked what became of an execution that nobody saw end: completed or failed.

        What he says was carried out is looked at as his approval says, like what a worker reports.
        Conflict unless it was interrupted, Invalid for another outcome, and Forbidden.
        """
        if outcome not in OUTCOMES:
            raise invalid("outcome", f"must be {' or '.join(OUTCOMES)}")
        more = clean(note, "note", longest=LONGEST_REMARK, shortest=0).strip()
        audit.lock()
        by = Decider.of(session_id, self.project_id)
        db.session.refresh(self, with_for_update=True)
        run = self.run if self.status == "executing" else None
        run_status, words = OUTCOMES[outcome]
        said = f"{by.user.name} looked: {words}. {more}".strip()
        if run is None or not run.end(run_status, said):
            raise Conflict("what became of this is known", row=self)
        self.executed(run, outcome, said, by.user.id)
        self._log(by.key, "execution_settled", run=str(run.id), outcome=outcome, reason=more)

    def executed(self, run: Run, status: str, why: str, user_id: UUID | None = None) -> None:
        """Completed or failed by this run, and what a person should know of it.

        Who looks after what was carried out is asked for in the same transaction, whoever says that it was.
        """
        self.advance("status", "executing", status, waits_since=None, scheduled_time=None)
        author = UI if user_id else self.assignee_agent_key or UI
        self._moved("executing", author, why, user_id)
        if status == "completed" and self.run_post_op:
            Run.of_post_op(run)

    def interrupted(self) -> None:
        """Nobody saw its execution end: a person looks."""
        self.advance("status", "executing", "executing", waits_since=utcnow())

    def why_not(self, approval: Approval, at: datetime | None, post_op: str | None) -> str | None:
        """Why this approval is not to be carried out; None while it says to the byte what stands here.

        `at` is when its run may begin, `post_op` the revision that the skill has here.
        """
        plan = self.plan
        if not labs.enabled(FLAG, self.project_id):
            return OFF
        if approval.voided_at is not None:
            return f"the approval is void: {approval.void_reason}"
        open = self.status in ("executing", "scheduled")
        if not open or (self.approval_status, approval.decision) != ("approved", "approved"):
            return "this approval is not in force"
        if digest_of(EXECUTION, approval.canonical) != approval.digest:
            return "what is stored is not what was approved"
        if plan is None or not plan.whole or plan.digest != self.plan_digest:
            return "the plan that is stored is not the one that was shown"
        here = self._order(plan, approval, at, post_op)
        return None if here == (approval.canonical, approval.digest) else here.why_not(approval.canonical)

    def drift(self, approval: Approval, at: datetime | None, post_op: str | None) -> str:
        """The lines in which what stands here differs from what was approved; empty where none does.

        Empty as well where one of the two cannot be read any more.
        """
        try:
            plan = self.plan
            return self._order(plan, approval, at, post_op).drift(approval.canonical) if plan else ""
        except (Invalid, KeyError):
            return ""

    def _order(self, plan: Plan, approval: Approval, at: datetime | None, post_op: str | None) -> Order:
        """As it stands here. Of two times, the task's and its run's, the one that was not approved."""
        approved = parse(approval.canonical).get("scheduled_time")
        time = at if iso(self.scheduled_time) == approved else self.scheduled_time
        return Order.of(plan, time, post_op if self.run_post_op else None)

    def approval_fell(self, approval: Approval, why: str, drift: str = "") -> None:
        """What was approved is not what stands here: it is void, and a person decides again."""
        if approval.voided_at is None:
            approval.void(why)
        self._review_again(UI, why, drift=drift)

    def _review_again(self, author: str, why: str, user_id: UUID | None = None, drift: str = "") -> None:
        was = self.status
        self.advance(
            "status",
            ("executing", "scheduled"),
            "review",
            approval_status="pending_approval",
            waits_since=utcnow(),
            scheduled_time=None,
            run_post_op=False,
        )
        self._moved(was, author, why, user_id, **({"drift": drift} if drift else {}))

    @classmethod
    def void_unbegun(cls, project_id: UUID, reason: str, approved_by: UUID | None = None) -> None:
        """What was approved in this project, by this person, and nobody began waits for a person again.

        The caller holds the end of the log.
        """
        waiting = (
            select(cls, Approval)
            .join(Run, Run.task_id == cls.id)
            .join(Approval, Approval.id == Run.approval_id)
            .where(
                cls.project_id == project_id,
                Run.status == "queued",
                cls.status.in_(("executing", "scheduled")),
            )
        )
        if approved_by is not None:
            waiting = waiting.where(Approval.user_id == approved_by)
        for task, approval in db.session.execute(waiting.order_by(cls.id)).all():
            task._stop_run(reason)
            task.approval_fell(approval, reason)
            task._log("system", "approval_voided", approval.digest, reason=reason)

    def _let_go(
        self,
        was: str,
        by: Decider,
        plan: Plan,
        at: datetime | None,
        post_op: str | None,
        retry_of: UUID | None = None,
    ) -> Approval:
        order = Order.of(plan, at, post_op)
        approval = Approval.add(KIND, self.id, self.project_id, order, "approved", by)
        self.advance(
            "status",
            was,
            "scheduled" if at else "executing",
            approval_status="approved",
            waits_since=None,
            scheduled_time=at,
            run_post_op=post_op is not None,
            step=None,
            steps=len(steps_of(plan.text)),
        )
        Run.of_execution(self, approval, plan.agent_key, at, retry_of)
        self._resolved(approval)
        self._log(
            by.key, "plan_approved", approval.digest, approval=str(approval.id), plan=plan.digest, **_when(at)
        )
        return approval

    def reject(self, session_id: UUID | None, digest: str, reason: str = "") -> Approval:
        """The plan will not be carried out: back to pending.

        Raises Conflict when nothing waits, Changed when another plan does, and Forbidden.
        """
        why = clean(reason, "reason", longest=LONGEST_REMARK, shortest=0).strip()
        by, plan = self._to_decide(session_id, digest)
        decision = Approval.add(
            KIND, self.id, self.project_id, (plan.canonical, plan.digest), "rejected", by, why
        )
        self.advance("status", "review", "pending", approval_status="rejected", waits_since=None)
        self._resolved(decision)
        self._log(by.key, "plan_rejected", digest, approval=str(decision.id), reason=why)
        return decision

    def _to_decide(
        self, session_id: UUID | None, digest: str, status: str = "review"
    ) -> tuple[Decider, Plan]:
        """The person who decides and the plan that he was shown, held until the transaction ends."""
        audit.lock()
        by = Decider.of(session_id, self.project_id)
        db.session.refresh(self, with_for_update=True)
        plan = self.plan
        if self.status != status or plan is None:
            raise Conflict(f"this cannot be decided: the task is {self.status}", row=self)
        if digest != plan.digest:
            raise Changed(f"this is not the plan that waits, which is version {plan.version}", row=self)
        if not plan.whole or plan.digest != self.plan_digest:
            raise Changed("what is stored is not what was planned: nobody can decide on it", row=self)
        return by, plan

    def _resolved(self, decision: Approval) -> None:
        self.resolved(decision, TaskEvent.last_of(self.id, "approval_request"))

    def resolved(self, decision: Approval, asked: TaskEvent | None) -> None:
        """The decision in the timeline, in the words of the seed document (DETAILS.md)."""
        self.record(
            "approval_resolved",
            UI,
            decision.reason,
            user_id=decision.user_id,
            proposal_id=asked.proposal_id if asked else None,
            status=decision.decision,
            resolved_by=UI,
            resolved_at=decision.decided_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            original_event_id=str(asked.id) if asked else None,
        )

    def _hold(self) -> None:
        audit.lock()
        db.session.refresh(self, with_for_update=True)

    def _planner(self, key: str | None) -> Agent:
        """Who makes the plan: the one that was named, whose task it is, or the project's default."""
        project = db.session.get_one(Project, self.project_id)
        wanted = key or self.assignee_agent_key or project.default_agent_key or ""
        agent = Agent.by_key(self.project_id, wanted)
        if agent is None:
            raise invalid("agent_key", "must be an agent of this project")
        if agent.queue is None:
            raise invalid("agent_key", "is an external agent, which cannot plan here")
        return agent

    def _stop_run(self, reason: str = "") -> None:
        """What goes on for it ends; an approval that nobody began is void, for this reason."""
        run = Run.open_of(self)
        if run is not None:
            run.cancel()
        if run is not None and run.kind == "execution":
            db.session.get_one(Approval, run.approval_id).void(reason)

    def _moved(
        self,
        was: str,
        author: str,
        why: str = "",
        user_id: UUID | None = None,
        **meta: Any,
    ) -> None:
        self.record("status_change", author, why, user_id=user_id, before=was, after=self.status, **meta)

    def _log(self, actor: str, what: str, digest: str | None = None, **detail: Any) -> None:
        audit.record(actor, f"task.{what}", f"task {self.number}", project_id=self.project_id,
                     digest=digest, **detail)  # fmt: skip

    # Its timeline.

    def comment(self, by: User, content: str, rendered: Rendered, client_id: str) -> TaskEvent:
        """What a person says of it; the same `client_id` again gives the first one.

        Conflict when that came before with another text.
        """
        return self.add(Note("comment", content, client_id, rendered.html), UI, by.id)

    def add(self, note: Note, author: str, user_id: UUID | None = None) -> TaskEvent:
        """What a person or an agent adds; the same `client_id` again gives the first one.

        Conflict when that came before with something else.
        """
        db.session.refresh(self, with_for_update=True)
        if (before := self.added(note, author, user_id)) is not None:
            return before
        return self.record(
            note.event_type,
            author,
            note.content,
            user_id=user_id,
            content_html=note.html,
            text=note.text,
            client_id=note.client_id,
            **note.meta,
        )

    def added(self, note: Note, author: str, user_id: UUID | None = None) -> TaskEvent | None:
        """What the same author sent before under this `client_id`; Conflict when it was something else."""
        theirs = TaskEvent.user_id == user_id if user_id else TaskEvent.author == author
        under = (TaskEvent.task_id == self.id, TaskEvent.client_id == note.client_id, theirs)
        before = db.session.scalar(select(TaskEvent).where(*under)) if note.client_id else None
        if before is not None and not note.said_in(before):
            why = "was used for something else"
            raise Conflict(f"this client_id {why}", fields={"client_id": [why]})
        return before

    def record(
        self,
        event_type: str,
        author: str,
        content: str = "",
        *,
        user_id: UUID | None = None,
        content_html: str = "",
        text: str = "",
        client_id: str | None = None,
        proposal_id: UUID | None = None,
        **meta: Any,
    ) -> TaskEvent:
        """Add to its timeline, which only grows."""
        self.last_seq += 1
        event = TaskEvent(
            project_id=self.project_id,
            task_id=self.id,
            seq=self.last_seq,
            event_type=event_type,
            author=author,
            user_id=user_id,
            content=content,
            content_html=content_html,
            text=text,
            client_id=client_id,
            proposal_id=proposal_id,
            meta=meta,
        )
        db.session.add(event)
        db.session.flush()
        return event

    def _number(self) -> None:
        """Take the next number and be written; who takes the same one at the same time, takes another."""
        for _ in range(TRIES):
            last = db.session.scalar(select(func.max(Task.number)).where(Task.project_id == self.project_id))
            self.number = (last or 0) + 1
            try:
                with db.session.begin_nested():
                    db.session.add(self)
                return
            except IntegrityError:
                if Task.by_number(self.project_id, self.number) is None:
                    raise
        raise Busy("too many tasks are made at once, try again in a moment")


def _when(at: datetime | None) -> dict[str, Any]:
    return {"scheduled_time": iso(at)} if at else {}


def _names(plan: Plan) -> dict[str, Any]:
    """What the timeline says of a plan."""
    return {"plan_version": plan.version, "digest": plan.digest}


def _as_code(text: str) -> str:
    """As Markdown in which nothing is formatted, whatever it says."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _title_of(text: str) -> str:
    """The first line that says something."""
    first = next((line.strip() for line in text.splitlines() if line.strip(" #*>-_`\t")), text.strip())
    plain = first.lstrip("#*>- \t") or first
    return plain if len(plain) <= LONGEST_TITLE else f"{plain[: LONGEST_TITLE - 1]}…"
