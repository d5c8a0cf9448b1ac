"""What is published: for each table its streams, what is said of a row, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from flask import render_template
from sqlalchemy import bindparam, select
from sqlalchemy.orm import joinedload, lazyload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from models import (
    Agent,
    AgentStatus,
    AllowedHost,
    ApiToken,
    Approval,
    AuditEntry,
    BrainDoc,
    Delivery,
    ExecutorRequest,
    Invite,
    Membership,
    Message,
    Project,
    ProjectSecret,
    ProjectSetting,
    Proposal,
    ProposalFold,
    Reaction,
    Run,
    RunEvent,
    Schedule,
    Skill,
    Task,
    TaskEvent,
    Thread,
    ThreadRead,
    User,
    UserSession,
    db,
    labs,
)
from models.actions import ACTIONS
from models.hidden import made_visible

QUIET = frozenset(
    {
        "lease_token",
        "lease_until",
        "aging_since",
        "progress_at",
        "heartbeat_at",
        "partial",
        "seen_at",
        "last_seen_at",
        "last_used_at",
        "device_epoch",
    }
)
"""Columns whose change alone is not published: they move often, and no page shows them live."""

PRIVATE = frozenset(
    {
        "streams",
        "changes",
        "authz_epoch",
        "audit_head",
        "workers",
        "login_attempts",
        "idempotency_keys",
        "approvals",
        "plans",
        "brain_doc_versions",
        "task_comments",
        "task_outputs",
        "attachments",
        "attachment_pieces",
    }
)
"""Tables that no stream carries: health is polled, a proposal says what was decided on it, a document or a
task which version it has, a message which files, and nothing is added to the older tables of tasks."""


def _nothing(row: Any) -> Iterable[Any]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published table. A row's streams never change: the columns that decide them are never updated."""

    model: type[Any]
    streams: Callable[[Any], list[str]]
    says: tuple[str, ...]
    """Attributes that the stream and the API say, besides the id; never a secret or its hash."""
    more: Callable[[Any], dict[str, Any]] = lambda row: {}
    """What is said beyond the attributes, ready for JSON."""
    query: Callable[[], Any] | None = None
    """The query of rows with what `row` and the partial need of others; without it, the plain rows."""
    complete: Callable[[Sequence[Any]], None] | None = None
    """Gives loaded rows what they need of others, where that is quicker than a query with options."""
    partial: str | None = None
    variable: str = ""
    shown: Callable[[Any], Any] = lambda row: row
    """What the partial shows, when it is not the row itself."""
    also: Callable[[Any], Iterable[Any]] = _nothing
    """Rows of other tables that say something of this one, and so change with it."""
    quiet: frozenset[str] = QUIET
    waits: Callable[[Any], str | None] = lambda row: None
    """The queue whose worker shall look for it now."""

    @property
    def table(self) -> str:
        return str(self.model.__tablename__)

    def row(self, row: Any) -> dict[str, Any]:
        """What the stream and the API say of it, ready for JSON."""
        said = {name: plain(getattr(row, name)) for name in self.says}
        return {"id": str(row.id), **said, **self.more(row)}

    def load(self, ids: Sequence[UUID]) -> list[Any]:
        """Those of the rows that exist, with all that `row` and the partial need."""
        rows = list(db.session.scalars(self._by_ids, {"ids": ids}))
        if self.complete is not None:
            self.complete(rows)
        return rows

    @cached_property
    def _by_ids(self) -> Any:
        rows: Any = self.query() if self.query else select(self.model)
        return rows.where(self.model.id.in_(_IDS))

    def html(self, row: Any) -> str | None:
        """The partial of a loaded row; None for a table that has none."""
        if self.partial is None:
            return None
        return render_template(self.partial, **{self.variable: self.shown(row)})


_IDS: Any = bindparam("ids", expanding=True)


def plain(value: Any) -> Any:
    """A column's value as JSON knows it: ids as text, times as ISO in UTC."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
    return value


_THREADS_REMEMBERED = 10_000
_stream_of: dict[UUID, str] = {}


def _thread_stream(thread_id: UUID) -> str:
    """The one stream of a thread and all in it: a room is its project's, a DM its owner's alone."""
    name = _stream_of.get(thread_id)
    if name is None:
        if len(_stream_of) >= _THREADS_REMEMBERED:
            _stream_of.clear()
        [name] = _of_thread(db.session.get_one(Thread, thread_id))
        _stream_of[thread_id] = name
    return name


def _of_thread(thread: Thread) -> list[str]:
    if thread.owner_user_id is not None:
        return [f"user:{thread.owner_user_id}"]
    return [f"project:{thread.project_id}"]


def _in_thread(row: Message | Delivery) -> list[str]:
    return [_thread_stream(row.thread_id)]


def _of_message(row: Reaction) -> list[str]:
    return _in_thread(db.session.get_one(Message, row.message_id))


def _project(row: Any) -> list[str]:
    return [f"project:{row.project_id}"]


def _admin(row: Any) -> list[str]:
    return [f"admin:{row.project_id}"] if row.project_id is not None else []


def _user(row: Any) -> list[str]:
    return [f"user:{row.user_id}"]


def _setting(row: ProjectSetting) -> list[str]:
    return _project(row) if row.key == labs.SETTING else _admin(row)


def _of_proposal(proposal: Proposal) -> list[str]:
    """Where it was made; a DM's is for the whole project, too, when its owner may not decide."""
    of_project = f"project:{proposal.project_id}"
    of_thread = _thread_stream(proposal.thread_id) if proposal.thread_id is not None else of_project
    return [of_thread, of_project] if proposal.listed and of_thread != of_project else [of_thread]


def _card() -> Any:
    """With its project and task, whose key and number never change, and what shows it."""
    around = (joinedload(Proposal.project), joinedload(Proposal.thread), selectinload(Proposal.message),
              selectinload(Proposal.event).joinedload(TaskEvent.task))  # fmt: skip
    return Proposal.for_display().options(*around)


def _carried_out(run: Run) -> list[Proposal]:
    approved = select(Proposal).join(Approval, Approval.subject_id == Proposal.id)
    return list(db.session.scalars(approved.where(Approval.id == run.approval_id)))


def _shown_by(run: Run) -> list[Proposal | Message | TaskEvent | Task]:
    """The proposal that it carries out, and what shows it; or the task that it is part of."""
    if run.task_id is not None:
        return [db.session.get_one(Task, run.task_id)]
    return [row for proposal in _carried_out(run) for row in (proposal, proposal.shown_by)]


def _of_run(run: Run) -> list[str]:
    if run.task_id is not None or run.audit is not None:
        return _project(run)
    return [name for proposal in _carried_out(run) for name in _of_proposal(proposal)]


def _asking(host: AllowedHost) -> list[Proposal | Message | TaskEvent]:
    """Those that wait to ask some server, and what shows them: the cards say whether it is listed."""
    outgoing = [action_type for action_type, action in ACTIONS.items() if action.reaches_out]
    waiting = (
        select(Proposal)
        .where(Proposal.project_id == host.project_id, Proposal.status == "proposed")
        .where(Proposal.action_type.in_(outgoing))
        .options(selectinload(Proposal.message))
    )
    return [row for proposal in db.session.scalars(waiting) for row in (proposal, proposal.shown_by)]


def _proposed(proposal: Proposal) -> dict[str, Any]:
    action = proposal.action
    return {
        "headline": made_visible(action.headline),
        "effect": made_visible(action.effect),
        "object_name": action.object_name,
        "params": action.as_json(),
        "hindrance": proposal.hindrance,
        "execution": proposal.execution,
        "waits": proposal.waits,
        "late_report": proposal.run.late_report if proposal.run else None,
        "task": proposal.task.number if proposal.task else None,
        "task_event_id": plain(proposal.event.id) if proposal.event else None,
        "decisions": [
            {
                name: plain(getattr(approval, name))
                for name in (
                    "id",
                    "digest",
                    "attempt",
                    "decision",
                    "reason",
                    "user_id",
                    "decided_at",
                    "voided_at",
                    "void_reason",
                )
            }
            for approval in proposal.approvals
        ],
    }


def _delivery_waits(row: Delivery) -> str | None:
    """Also for who holds it, to hear of the wish to stop."""
    wished = row.status == "delivered" and row.desired_status
    return "chat" if row.status == "queued" or wished else None


def _run_waits(run: Run) -> str | None:
    """Also for who holds it, to hear of the wish to stop, or that it was stopped."""
    ends = (run.status == "running" and run.desired_status) or (run.status == "cancelled" and run.started_at)
    return "runs" if run.status == "queued" or ends else None


def _asked(request: ExecutorRequest) -> dict[str, Any]:
    """What is asked for, without a document's text, which is long: whoever reads documents reads it there."""
    return {"payload": {name: value for name, value in request.payload.items() if name != "content"}}


def _memberships(user: User) -> list[Membership]:
    return list(db.session.scalars(select(Membership).where(Membership.user_id == user.id)))


def _roster() -> Any:
    return select(Membership).options(joinedload(Membership.user))


def _person(membership: Membership) -> dict[str, Any]:
    user = membership.user
    return {
        "name": user.name,
        "handle": user.handle,
        "initials": user.initials,
        "active": user.active,
    }


_QUOTED = select(Message).where(Message.id.in_(_IDS))
_REACTIONS = select(Reaction).where(Reaction.message_id.in_(_IDS)).order_by(Reaction.created_at)
_DELIVERIES = (
    select(Delivery)
    .where(Delivery.message_id.in_(_IDS))
    .order_by(Delivery.created_at, Delivery.target_agent_key)
)


def _with_all_shown(messages: Sequence[Message]) -> None:
    """The same as Message.for_display in half the time: the pump does this for every message."""
    ids = [message.id for message in messages]
    quoted_ids = [message.reply_to for message in messages if message.reply_to is not None]
    quoted = db.session.scalars(_QUOTED, {"ids": quoted_ids}) if quoted_ids else ()
    quoted_by_id = {message.id: message for message in quoted}
    for name, query in (("reactions", _REACTIONS), ("deliveries", _DELIVERIES)):
        of_message: dict[UUID, list[Any]] = {message_id: [] for message_id in ids}
        for row in db.session.scalars(query, {"ids": ids}):
            of_message[row.message_id].append(row)
        for message in messages:
            set_committed_value(message, name, of_message[message.id])
    for message in messages:
        quote = quoted_by_id.get(message.reply_to) if message.reply_to else None
        set_committed_value(message, "quoted", quote)
    _with_proposals([message for message in messages if message.proposes])


def _with_proposals(messages: Sequence[Message]) -> None:
    if not messages:
        return
    found = db.session.scalars(_card().where(Proposal.message_id.in_(message.id for message in messages)))
    by_message = {proposal.message_id: proposal for proposal in found}
    for message in messages:
        set_committed_value(message, "proposal", by_message.get(message.id))


def with_proposals_shown(events: Sequence[TaskEvent]) -> None:
    """Gives each event the proposal that it shows, with all that the card needs."""
    asking = {event.proposal_id: event for event in events if event.asks}
    if not asking:
        return
    query = _card().options(joinedload(Proposal.approver)).where(Proposal.id.in_(asking))
    for proposal in db.session.scalars(query):
        set_committed_value(asking[proposal.id], "proposal", proposal)


def _status_with_agent() -> Any:
    whole = joinedload(AgentStatus.agent).joinedload(Agent.state).options(lazyload("*"))
    return select(AgentStatus).options(whole)


_ALL = (
    Published(
        model=Message,
        streams=_in_thread,
        says=(
            "project_id",
            "thread_id",
            "seq",
            "author_kind",
            "author_key",
            "user_id",
            "content",
            "message_type",
            "status",
            "target_agent_key",
            "client_id",
            "reply_to",
            "addressed",
            "created_at",
            "edited_at",
            "deleted_at",
        ),
        more=lambda message: {"metadata": message.meta},
        complete=_with_all_shown,
        partial="messages/_message.html",
        variable="message",
    ),
    Published(
        model=Reaction,
        streams=_of_message,
        says=("message_id", "user_id", "emoji", "created_at"),
    ),
    Published(
        model=Delivery,
        streams=_in_thread,
        waits=_delivery_waits,
        says=(
            "project_id",
            "thread_id",
            "message_id",
            "target_agent_key",
            "status",
            "attempts",
            "desired_status",
            "reply_id",
            "usage",
            "result",
            "created_at",
            "picked_up_at",
            "completed_at",
        ),
    ),
    Published(
        model=Thread,
        streams=_of_thread,
        says=("project_id", "title", "kind", "owner_user_id", "last_seq", "paused_at", "created_at"),
        quiet=QUIET | {"last_seq", "agent_turns", "agent_tokens", "paused_seq"},
        partial="needs_you/_pause.html",
        variable="thread",
    ),
    Published(
        model=ThreadRead, streams=_user, says=("project_id", "thread_id", "user_id", "read_seq", "muted")
    ),
    Published(
        model=Agent,
        streams=_project,
        says=(
            "project_id",
            "key",
            "name",
            "title",
            "tone",
            "model",
            "tools",
            "skills",
            "runtime",
            "budgets",
            "archived_at",
            "created_at",
        ),
        partial="agents/_agent.html",
        variable="agent",
    ),
    # Its partial is the agent's card: a status moves often, which must not look like an edited agent.
    Published(
        model=AgentStatus,
        streams=_project,
        says=("project_id", "agent_id", "status", "activity", "last_seen_at"),
        more=lambda status: {"agent_key": status.agent.key, "status": status.shown},
        query=_status_with_agent,
        partial="agents/_agent.html",
        variable="agent",
        shown=lambda status: status.agent,
    ),
    Published(
        model=Project,
        streams=lambda project: [f"project:{project.id}"],
        says=("key", "name", "default_agent_key", "archived_at", "created_at"),
    ),
    Published(
        model=Membership,
        streams=_project,
        says=("project_id", "user_id", "role", "created_at"),
        more=_person,
        query=_roster,
    ),
    Published(
        model=User,
        streams=lambda user: [f"user:{user.id}"],
        says=("email", "handle", "name", "initials", "active", "created_at"),
        also=_memberships,
    ),
    Published(model=ProjectSetting, streams=_setting, says=("project_id", "key", "value", "created_at")),
    Published(
        model=ExecutorRequest,
        streams=_project,
        waits=lambda row: row.queue if row.status == "queued" else None,
        says=(
            "project_id",
            "kind",
            "payload",
            "status",
            "attempts",
            "requested_by",
            "result",
            "created_at",
            "picked_up_at",
            "completed_at",
        ),
        more=_asked,
    ),
    Published(
        model=BrainDoc,
        streams=_project,
        says=(
            "project_id",
            "agent_key",
            "doc_type",
            "digest",
            "length",
            "version",
            "written_at",
            "user_id",
            "by_agent",
            "created_at",
        ),
        query=BrainDoc.without_content,
        partial="knowledge/_doc.html",
        variable="doc",
    ),
    Published(
        model=Proposal,
        streams=_of_proposal,
        says=(
            "project_id",
            "thread_id",
            "message_id",
            "listed",
            "action_type",
            "digest",
            "version",
            "risk_level",
            "rules_shown",
            "status",
            "proposed_by",
            "proposed_at",
            "edited_by",
            "edited_at",
            "approval_id",
            "approved_by",
            "approved_at",
            "executed_at",
            "execution_result",
            "created_at",
        ),
        more=_proposed,
        query=_card,
        partial="proposals/_proposal.html",
        variable="proposal",
        also=lambda proposal: [proposal.shown_by],
    ),
    Published(
        model=Run,
        streams=_of_run,
        says=(
            "project_id",
            "kind",
            "status",
            "approval_id",
            "retry_of",
            "task_id",
            "audit",
            "params",
            "run_after",
            "attempt",
            "losses",
            "desired_status",
            "started_at",
            "finished_at",
            "report",
            "late_report",
            "error",
            "usage",
            "created_at",
        ),
        also=_shown_by,
        waits=_run_waits,
    ),
    Published(
        model=RunEvent,
        streams=_project,
        says=("project_id", "run_id", "attempt", "seq", "kind", "content", "created_at"),
        partial="tasks/_run_event.html",
        variable="event",
    ),
    Published(
        model=Task,
        streams=_project,
        says=(
            "project_id",
            "number",
            "last_seq",
            "title",
            "description",
            "status",
            "approval_status",
            "plan_version",
            "plan_digest",
            "waits_since",
            "scheduled_time",
            "run_post_op",
            "step",
            "steps",
            "priority",
            "tags",
            "source",
            "fingerprint",
            "found_priority",
            "gone_at",
            "assignee_agent_key",
            "proposal_id",
            "message_id",
            "created_at",
        ),
        quiet=QUIET | {"last_seq"},
        partial="needs_you/_task.html",
        variable="task",
    ),
    Published(
        model=TaskEvent,
        streams=_project,
        says=(
            "project_id",
            "task_id",
            "seq",
            "event_type",
            "author",
            "user_id",
            "content",
            "text",
            "client_id",
            "proposal_id",
            "legacy_ref",
            "created_at",
        ),
        more=lambda event: {"metadata": event.said},
        complete=with_proposals_shown,
        partial="tasks/_event.html",
        variable="event",
    ),
    Published(
        model=Schedule,
        streams=_project,
        says=(
            "project_id",
            "name",
            "schedule_kind",
            "schedule_expr",
            "time_zone",
            "instructions",
            "target_agent_key",
            "output",
            "enabled",
            "next_fire_at",
            "proposal_id",
            "created_at",
        ),
    ),
    Published(
        model=Skill,
        streams=_project,
        says=(
            "project_id",
            "source",
            "path",
            "key",
            "name",
            "description",
            "revision",
            "status",
            "missing",
            "reasons",
            "setup_steps",
            "warnings",
            "checked_at",
            "checked_on",
            "created_at",
        ),
    ),
    Published(
        model=ProposalFold,
        streams=_user,
        says=("project_id", "proposal_id", "user_id", "created_at"),
    ),
    Published(
        model=Invite,
        streams=_admin,
        says=(
            "project_id",
            "role",
            "created_by",
            "created_at",
            "expires_at",
            "used_at",
            "used_by",
            "revoked_at",
        ),
    ),
    Published(
        model=ApiToken,
        streams=_admin,
        says=(
            "project_id",
            "kind",
            "name",
            "prefix",
            "last4",
            "scopes",
            "agent_key",
            "user_id",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        ),
    ),
    Published(
        model=AllowedHost,
        streams=_admin,
        says=("project_id", "origin", "created_by", "created_at"),
        also=_asking,
    ),
    Published(
        model=ProjectSecret,
        streams=_admin,
        says=("project_id", "name", "origin", "created_by", "created_at"),
    ),
    Published(
        model=UserSession,
        streams=_user,
        says=(
            "user_id",
            "ip",
            "user_agent",
            "created_at",
            "authenticated_at",
            "seen_at",
            "revoked_at",
        ),
    ),
    Published(
        model=AuditEntry,
        streams=_admin,
        says=("seq", "project_id", "actor", "action", "subject", "detail", "digest", "created_at"),
    ),
)

PUBLISHED: dict[str, Published] = {published.table: published for published in _ALL}
