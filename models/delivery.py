"""A delivery: one message on its way to one agent, with a fate that everybody sees."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    case,
    exists,
    false,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from models.agent import EXTERNAL_HEALTHY_SECONDS, Agent, AgentStatus
from models.base import Model, Row, Stateful, changed_rows, db, db_now, new_id, touch, utcnow
from models.errors import Conflict
from models.thread import Thread
from models.worker import Worker

if TYPE_CHECKING:
    from models.message import Answer, Message

LEASE_SECONDS = 30
WATCHDOG_SECONDS = 120
MAX_ATTEMPTS = 3
LONGEST_REPORTED = 64_000
"""Characters that an external agent's answer may have."""
LONGEST_PAST = 30
"""How many things that happened in earlier attempts are remembered: those of about ten."""


_NOT_ENDED = "status in ('queued', 'delivered')"
NOT_ENDED = text(f"chat_delivery_queue.{_NOT_ENDED}")
"""Said beside a status that is looked for: in the very words of the index, or no database would use it."""


class Ended(Conflict):
    """What an external agent reports is not awaited any more, or not so: `code` says why."""

    def __init__(self, code: str, message: str, row: Delivery, *fields: str) -> None:
        super().__init__(message, row=row, fields={field: [message] for field in fields})
        self.code = code


class Delivery(Row, Stateful, Model):
    __tablename__ = "chat_delivery_queue"
    __table_args__ = (
        UniqueConstraint("message_id", "target_agent_key"),
        UniqueConstraint("reply_id"),
        CheckConstraint("status in ('queued', 'delivered', 'processed', 'failed')", name="status"),
        Index(
            "ix_chat_delivery_queue_open",
            "status",
            "created_at",
            sqlite_where=text(_NOT_ENDED),
            postgresql_where=text(_NOT_ENDED),
        ),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    thread_id: Mapped[UUID] = mapped_column(ForeignKey("project_chat_threads.id"))
    message_id: Mapped[UUID] = mapped_column(ForeignKey("project_chat_messages.id"))
    target_agent_key: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(10), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    aging_since: Mapped[datetime | None]
    picked_up_at: Mapped[datetime | None]
    progress_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None]
    desired_status: Mapped[str | None] = mapped_column(String(10))
    reply_id: Mapped[UUID] = mapped_column(default=new_id)
    """The id its answer will have: known beforehand, so that a page can follow the text as it is written."""
    partial: Mapped[str] = mapped_column(Text, default="")
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    past: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list, server_default="[]")
    """What became of earlier attempts: `at`, in UTC, and `said`."""

    message: Mapped[Message] = relationship(back_populates="deliveries")

    @classmethod
    def address(cls, message: Message, agent_keys: Sequence[str]) -> list[Delivery]:
        """One queued delivery for each agent."""
        made = [
            cls(
                project_id=message.project_id,
                thread_id=message.thread_id,
                message=message,
                target_agent_key=key,
                status="queued",
            )
            for key in agent_keys
        ]
        db.session.add_all(made)
        return made

    @classmethod
    def claim(cls, limit: int) -> list[Delivery]:
        """Up to `limit` waiting deliveries of built-in agents, oldest first, each with a fresh lease."""
        return cls.take_all(list(db.session.scalars(_claiming(), {"limit": limit})))

    @classmethod
    def waiting(cls, limit: int) -> list[UUID]:
        """The ids of what `claim` would take."""
        return list(db.session.scalars(cls._claimable().with_only_columns(cls.id).limit(limit)))

    @classmethod
    def _claimable(cls) -> Any:
        return (
            select(cls)
            .join(Agent, (Agent.project_id == cls.project_id) & (Agent.key == cls.target_agent_key))
            .where(
                NOT_ENDED,
                cls.status == "queued",
                Agent.runtime == "builtin",
                Agent.archived_at.is_(None),
                _in_open_thread(),
            )
            .order_by(cls.created_at)
        )

    @classmethod
    def next_for(cls, agent: Agent) -> UUID | None:
        """The id of the oldest that waits for this agent."""
        return db.session.scalar(
            select(cls.id)
            .where(
                NOT_ENDED,
                cls.status == "queued",
                cls.project_id == agent.project_id,
                cls.target_agent_key == agent.key,
                _in_open_thread(),
            )
            .order_by(cls.created_at)
            .limit(1)
        )

    def take(self, leased: bool = True) -> bool:
        """Take it for this worker; False when another worker already has, or its thread was closed."""
        return bool(self.take_all([self], leased))

    @classmethod
    def take_all(cls, waiting: Sequence[Delivery], leased: bool = True) -> list[Delivery]:
        """Take these for this worker by one statement; where another one was first, it is left out.

        Without a lease, as an external agent has it, only the watchdog looks whether the work moves.
        """
        if not waiting:
            return []
        tokens = {delivery.id: str(new_id()) for delivery in waiting}
        taken = db.session.scalars(
            update(cls)
            .where(cls.id.in_(tokens), cls.status == "queued", _in_open_thread())
            .values(
                status="delivered",
                lease_token=case(tokens, value=cls.id),
                lease_until=db_now(LEASE_SECONDS) if leased else None,
                picked_up_at=db_now(),
                progress_at=db_now(),
                aging_since=None,
                attempts=cls.attempts + 1,
                partial="",
            )
            .returning(cls),
            execution_options={"synchronize_session": False, "touched": True, "populate_existing": True},
        ).all()
        for delivery in taken:
            touch(delivery)
        _follow(taken)
        # The statement gives them back in any order.
        return sorted(taken, key=waiting.index)

    @classmethod
    def renew(cls, tokens: Sequence[str]) -> dict[str, str | None]:
        """Lengthen the leases held under these tokens: {token: desired_status}; a missing token was lost."""
        held = (NOT_ENDED, cls.lease_token.in_(tokens), cls.status == "delivered")
        changed_rows(update(cls).where(*held).values(lease_until=db_now(LEASE_SECONDS)))
        rows = db.session.execute(select(cls.lease_token, cls.desired_status).where(*held))
        return {str(token): desired for token, desired in rows}

    @classmethod
    def hold(cls, token: str) -> bool:
        """Lock what this token holds until the transaction ends; False when it was lost or stopped."""
        held = (NOT_ENDED, cls.lease_token == token, cls.status == "delivered", cls.desired_status.is_(None))
        return db.session.scalar(select(cls.id).where(*held).with_for_update()) is not None

    @classmethod
    def progress(cls, token: str, partial: str) -> bool:
        """The work moved: keep the text so far; False when the lease was lost."""
        held = (NOT_ENDED, cls.lease_token == token, cls.status == "delivered")
        return (
            changed_rows(update(cls).where(*held).values(progress_at=db_now(), partial=_clean(partial))) == 1
        )

    def held(self, attempt: int) -> str:
        """The token of an external agent's attempt; Ended says why it holds the delivery no more."""
        if self.status == "queued" or self.attempts != attempt:
            raise Ended("lost", "this attempt is over", self)
        if self.stopped_by:  # from the wish on, whether or not it has ended since
            raise Ended("stopped", f"{self.stopped_by} stopped this", self)
        if self.status == "failed":
            raise Ended("failed", self.reason or "this has failed", self)
        if self.status == "processed":
            raise Ended("finished", "this was answered already", self)
        return self.lease_token or ""

    def grown(self, offset: int, piece: str) -> str:
        """The text so far with a piece at its offset: it replaces what stood there, a repeat changes nothing.

        Ended with the code `gap` when something before it is missing.
        """
        if offset > len(self.partial):
            raise Ended("gap", f"the text so far has {len(self.partial)} characters", self, "offset")
        if self.partial.startswith(piece, offset):
            return self.partial
        return self.partial[:offset] + piece

    def finish(
        self,
        token: str,
        said: Answer,
        usage: dict[str, Any],
        stopped_by: str | None = None,
    ) -> bool:
        """Processed: the answer becomes a message. False, and nothing changed, if the lease was lost."""
        from models.posting import answer

        result: dict[str, Any] = {"stopped_by": stopped_by} if stopped_by else {}
        if not self._end("processed", token, result, usage=usage, partial=""):
            return False
        if said.content.strip():
            meta = result | ({"demo": True} if usage.get("demo") else {})
            answer(self, said, meta, int(usage.get("output", 0)))
        return self._changed()

    def fail(self, reason: str, token: str | None = None, usage: dict[str, Any] | None = None) -> bool:
        """Failed, with the reason that people read; without a token it is the watchdog who says so."""
        values = {} if usage is None else {"usage": usage}
        return self._end("failed", token, {"reason": reason}, **values) and self._changed()

    def put_back(self, token: str) -> bool:
        """A worker that stops gives it back, without counting the attempt."""
        back = self.try_advance(
            "status",
            "delivered",
            "queued",
            token=token,
            attempts=Delivery.attempts - 1,
            **self._begun_anew("The worker stopped, queued again"),
        )
        return back and self._changed()

    @classmethod
    def answered_in_closed(cls) -> set[UUID]:
        """The projects where an answer is awaited in a thread that was closed meanwhile."""
        return set(db.session.scalars(cls._held_in_closed().with_only_columns(cls.project_id)))

    @classmethod
    def put_back_closed(cls, project_id: UUID) -> int:
        """What is answered in this project's closed threads waits until they open again; how many.

        What waits already is locked with it: who is just being handed it is waited for, and found.
        """
        db.session.flush()
        whole = select(cls).where(NOT_ENDED, cls.project_id == project_id).with_for_update()
        whole = whole.order_by(cls.status, cls.created_at).execution_options(populate_existing=True)
        db.session.scalars(whole).all()
        held = db.session.scalars(cls._held_in_closed().where(cls.project_id == project_id)).all()
        for delivery in held:
            anew = delivery._begun_anew("The thread was closed, queued again")
            if delivery.try_advance("status", "delivered", "queued", **anew):
                delivery._changed()
        cls._rest(project_id, {delivery.target_agent_key for delivery in held})
        return len(held)

    @classmethod
    def _held_in_closed(cls) -> Any:
        """What a person stopped is not among it: that ends, and never comes back."""
        wished = cls.desired_status.is_(None)
        return select(cls).where(NOT_ENDED, cls.status == "delivered", wished, ~_in_open_thread())

    @classmethod
    def _rest(cls, project_id: UUID, agent_keys: Collection[str]) -> None:
        """The lines of agents that answer nothing any more say so."""
        answering = exists().where(
            NOT_ENDED,
            cls.project_id == Agent.project_id,
            cls.target_agent_key == Agent.key,
            cls.status == "delivered",
        )
        lines = (
            select(AgentStatus)
            .join(Agent, Agent.id == AgentStatus.agent_id)
            .where(Agent.project_id == project_id, Agent.key.in_(agent_keys), ~answering)
            .order_by(AgentStatus.id)
            .with_for_update(of=AgentStatus)
            .execution_options(populate_existing=True)
        )
        for state in db.session.scalars(lines).all() if agent_keys else ():
            state.say("idle")

    def lost(self, said: Answer | None = None) -> bool:
        """The worker is gone: queued again when nothing was said yet, else failed with what is known.

        One that was stopped ends with its text so far, which the caller may bring as `said`, rendered.
        """
        if self.desired_status == "stopped":
            return self._stopped(str((self.result or {}).get("stopped_by", "a person")), said)
        if self.partial or self.losses + 1 >= MAX_ATTEMPTS:
            return self.fail("The worker stopped while it answered", self.lease_token)
        again = self.try_advance(
            "status",
            "delivered",
            "queued",
            token=self.lease_token,
            losses=Delivery.losses + 1,
            **self._begun_anew("The worker was lost, queued again"),
        )
        return again and self._changed()

    def retry(self, by: str) -> None:
        """A person asks for it once more; Conflict unless it failed, and its message still stands."""
        self._ask_again("failed", f"Tried again by {by}")

    def regenerate(self, by: str) -> None:
        """A person wants another answer; Conflict unless it was answered, and its message still stands.

        The answer that is there stays, since others may have read it; the next one gets an id of its own.
        """
        self._ask_again("processed", f"Another answer was asked for by {by}", reply_id=new_id())

    def _ask_again(self, ended: str, said: str, **values: Any) -> None:
        self.message.lock()
        if self.message.deleted_at is not None:
            raise Conflict("the message was deleted: there is nothing to answer", row=self)
        anew = self._begun_anew(said)
        self.advance("status", ended, "queued", result=None, desired_status=None, losses=0, **anew, **values)
        self._changed()

    def _begun_anew(self, said: str) -> dict[str, Any]:
        """The values of one that waits again: of the attempt before, only what became of it is left."""
        past = [{"at": at.isoformat(), "said": said} for at, said in [*self._attempt(), (utcnow(), said)]]
        return {
            "past": [*self.past, *past][-LONGEST_PAST:],
            "picked_up_at": None,
            "completed_at": None,
            "aging_since": None,
            "lease_token": None,
            "lease_until": None,
            "partial": "",
        }

    def stop(self, by: str) -> None:
        """End it now: one that waits is processed at once, a running one by its worker within a second.

        An external agent may never ask again: what it holds, without a lease, is the sweeper's to end.
        """
        if self.try_advance(
            "status",
            "queued",
            "processed",
            completed_at=db_now(),
            result={"stopped_by": by},
            aging_since=None,
        ):
            self._changed()
            return
        wish = update(Delivery).where(Delivery.id == self.id, Delivery.status == "delivered")
        ended_by = case((Delivery.lease_until.is_(None), db_now()), else_=Delivery.lease_until)
        wish = wish.values(desired_status="stopped", result={"stopped_by": by}, lease_until=ended_by)
        if changed_rows(wish) == 0:
            raise Conflict("this has ended already", row=self)
        db.session.expire(self)
        touch(self)
        self._changed()

    def _stopped(self, by: str, said: Answer | None) -> bool:
        from models.message import Answer

        if said is None or said.content != self.partial:
            said = Answer.of(self.partial)
        return self.finish(self.lease_token or "", said, self.usage or {}, stopped_by=by)

    def _end(self, status: str, token: str | None, result: dict[str, Any], **values: Any) -> bool:
        old = "delivered" if token is not None else ("queued", "delivered")
        return self.try_advance(
            "status",
            old,
            status,
            token=token,
            completed_at=db_now(),
            result=result,
            lease_until=None,
            aging_since=None,
            **values,
        )

    def _changed(self) -> bool:
        """Let the message show it."""
        _follow([self])
        return True

    @property
    def stopped_by(self) -> str | None:
        return (self.result or {}).get("stopped_by")

    @property
    def reason(self) -> str | None:
        return (self.result or {}).get("reason")

    @property
    def history(self) -> list[tuple[datetime, str]]:
        """All that happened to it, in order, as people read it."""
        past = [(datetime.fromisoformat(one["at"]), one["said"]) for one in self.past]
        return [(self.created_at, "Queued"), *past, *self._attempt()]

    def _attempt(self) -> list[tuple[datetime, str]]:
        """What happened in the present attempt."""
        told = []
        if self.picked_up_at:
            told.append((self.picked_up_at, "Delivered" + f", attempt {self.attempts}" * (self.attempts > 1)))
        if self.completed_at:
            ended = f"Stopped by {self.stopped_by}" if self.stopped_by else self.status.capitalize()
            told.append((self.completed_at, f"Failed: {self.reason}" if self.reason else ended))
        return told

    @classmethod
    def open_of(cls, message_id: UUID) -> list[Delivery]:
        open_ = cls.status.in_(("queued", "delivered"))
        return list(db.session.scalars(select(cls).where(cls.message_id == message_id, open_)))

    @classmethod
    def age(cls) -> int:
        """Let queued ones age while somebody free could take them, and rest otherwise; how many changed."""
        waiting = cls.status == "queued"
        lately = AgentStatus.last_seen_at > db_now(-EXTERNAL_HEALTHY_SECONDS)
        polled = Agent.id.in_(select(AgentStatus.agent_id).where(lately))
        held = aliased(cls, name="held")
        busy = exists().where(
            text(f"held.{_NOT_ENDED}"),
            held.project_id == Agent.project_id,
            held.target_agent_key == Agent.key,
            held.status == "delivered",
        )
        builtin = Agent.runtime == "builtin" if Worker.free_slots("chat") > 0 else false()
        free = select(Agent.key).where(
            Agent.project_id == cls.project_id,
            Agent.key == cls.target_agent_key,
            builtin | ((Agent.runtime == "external") & polled & ~busy),
        )
        served = free.exists() & _in_open_thread()
        aging = (
            update(cls)
            .where(NOT_ENDED, waiting, cls.aging_since.is_(None), served)
            .values(aging_since=db_now())
        )
        resting = (
            update(cls)
            .where(NOT_ENDED, waiting, cls.aging_since.is_not(None), ~served)
            .values(aging_since=None)
        )
        return changed_rows(aging) + changed_rows(resting)

    @classmethod
    def overdue(cls, seconds: float = WATCHDOG_SECONDS, only: UUID | None = None) -> list[Delivery]:
        """Delivered ones without progress, and queued ones that aged, for longer than the watchdog allows.

        `only` asks of one, and locks it, unless somebody is at it: it may have moved since it was found.
        """
        late = db_now(-seconds)
        stuck = (cls.status == "delivered") & (cls.progress_at < late)
        unserved = (cls.status == "queued") & (cls.aging_since < late)
        return cls._found(stuck | unserved, only)

    @classmethod
    def with_lost_lease(cls, only: UUID | None = None) -> list[Delivery]:
        """Those whose worker let the lease run out; `only` as in overdue."""
        return cls._found((cls.status == "delivered") & (cls.lease_until < db_now()), only)

    @classmethod
    def _found(cls, condition: Any, only: UUID | None) -> list[Delivery]:
        query = select(cls).where(NOT_ENDED, condition)
        if only is not None:
            query = query.where(cls.id == only).with_for_update(skip_locked=True)
        return list(db.session.scalars(query.order_by(cls.created_at).limit(100)))


# Put together once: each claim asks them, which takes less time than saying so anew.


@cache
def _in_open_thread() -> Any:
    """A thread that is closed has its deliveries wait."""
    return Thread.is_open(Delivery.thread_id)


@cache
def _claiming() -> Any:
    free = Delivery._claimable().limit(bindparam("limit", type_=Integer))
    return free.with_for_update(skip_locked=True, of=Delivery)


def _follow(deliveries: Sequence[Delivery]) -> None:
    from models.message import Message

    Message.follow_deliveries({delivery.message_id for delivery in deliveries})


def _clean(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()
