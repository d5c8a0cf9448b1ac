"""Agents: who they are, what they may use, and what they are doing."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Model, Row, changed_rows, db, db_now, touch, utcnow
from models.errors import Conflict
from models.executor_request import ExecutorRequest
from models.project import Project
from models.text import clean, clean_key, clean_name, invalid
from models.user import User

TONES = 8
LONGEST_PERSONA = 8000
EXTERNAL_HEALTHY_SECONDS = 30
POLL_NOTED_SECONDS = 5
"""How old the note of an external agent's last word may be: it need not be written at each of them."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
OFFLINE = "offline"
"""What the line of an idle external agent says while that does not ask for work."""
BUDGETS = {"turns": 8, "output_tokens": 16_000, "seconds": 600}
STATUSES = ("idle", "thinking", "tool", "writing")


class Agent(Row, Model):
    __tablename__ = "agents"
    __table_args__ = (
        UniqueConstraint("project_id", "key"),
        CheckConstraint("runtime in ('builtin', 'external')", name="runtime"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    key: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(80), default="")
    persona: Mapped[str] = mapped_column(Text, default="")
    model: Mapped[str] = mapped_column(String(80), default="")
    """Empty means the installation's default model."""
    tools: Mapped[list[str]] = mapped_column(JSON, default=list)
    skills: Mapped[list[str]] = mapped_column(JSON, default=list)
    runtime: Mapped[str] = mapped_column(String(8), default="builtin")
    budgets: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    archived_at: Mapped[datetime | None]

    state: Mapped[AgentStatus] = relationship(back_populates="agent", uselist=False, lazy="joined")

    @classmethod
    def provision(
        cls,
        project_id: UUID,
        key: str,
        name: str,
        *,
        persona: str = "",
        title: str = "",
        model: str = "",
        runtime: str = "builtin",
    ) -> Agent:
        """A new agent, idle; Conflict when the key is taken. The first one becomes the project's default."""
        fields = cls.checked(key=key, name=name, persona=persona, title=title, model=model, runtime=runtime)
        cls._must_be_free(project_id, key)
        agent = cls(project_id=project_id, budgets=dict(BUDGETS), **fields)
        agent.state = AgentStatus(project_id=project_id, status="idle", activity="")
        if runtime == "external":  # it has to show itself first
            agent.state.activity, agent.state.last_seen_at = OFFLINE, NEVER
        db.session.add(agent)
        project = db.session.get_one(Project, project_id)
        if project.default_agent_key is None:
            project.default_agent_key = key
        db.session.flush()
        return agent

    @classmethod
    def ask_for(cls, project_id: UUID, wanted: dict[str, Any], by: UUID) -> ExecutorRequest:
        """Ask the executor to provision an agent; what it would refuse is refused now."""
        cls.checked(**wanted)
        cls._must_be_free(project_id, wanted["key"])
        return ExecutorRequest.ask(project_id, "agent_provision", wanted, by)

    @classmethod
    def free_key(cls, project_id: UUID, wanted: str) -> str:
        """This key, or one like it that nobody is called by."""
        key, number = wanted, 1
        while cls._taken(project_id, key):
            number += 1
            key = f"{wanted}{number}"
        return key

    @classmethod
    def _must_be_free(cls, project_id: UUID, key: str) -> None:
        if cls._taken(project_id, key):
            raise Conflict("somebody with this key or handle exists", fields={"key": ["is taken"]})

    @classmethod
    def _taken(cls, project_id: UUID, key: str) -> bool:
        """A mention must mean one: no agent is called like another of its project, nor like any person."""
        if cls.by_key(project_id, key, archived=True) is not None:
            return True
        return db.session.scalar(select(User.id).where(User.handle == key)) is not None

    @staticmethod
    def checked(**fields: Any) -> dict[str, Any]:
        """The given fields if each is acceptable; Invalid names the first that is not."""
        for field, value in fields.items():
            if field == "key":
                clean_key(value)
                if value == "all":
                    raise invalid("key", "is the word for every agent")
                if value == "project":
                    raise invalid("key", "is the word for documents of the whole project")
                if value in ("ui", "dashboard"):
                    raise invalid("key", "is the word for what a person did on a page")
            elif field == "runtime":
                if value not in ("builtin", "external"):
                    raise invalid("runtime", "must be builtin or external")
            elif field == "persona":
                clean(value, field, longest=LONGEST_PERSONA, shortest=0)
            else:
                fields[field] = clean_name(value, field, shortest=1 if field == "name" else 0)
        return fields

    def edit(self, **fields: Any) -> None:
        """Change name, title, persona or model; the key and the runtime stay."""
        for field, value in self.checked(**fields).items():
            setattr(self, field, value)

    @classmethod
    def by_key(cls, project_id: UUID, key: str, archived: bool = False) -> Agent | None:
        query = select(cls).where(cls.project_id == project_id, cls.key == key)
        return db.session.scalar(query if archived else query.where(cls.archived_at.is_(None)))

    @classmethod
    def of_project(cls, project_id: UUID) -> list[Agent]:
        """The project's agents by name."""
        query = select(cls).where(cls.project_id == project_id, cls.archived_at.is_(None))
        return list(db.session.scalars(query.order_by(cls.name, cls.key)))

    @property
    def tone(self) -> int:
        """Which of the eight identity colours is this agent's, 1 to 8."""
        return zlib.crc32(self.key.encode()) % TONES + 1

    @property
    def queue(self) -> str | None:
        """The RQ queue that serves this agent; None for one that fetches its work itself."""
        return "chat" if self.runtime == "builtin" else None

    def budget(self, name: str) -> int:
        return int((self.budgets or {}).get(name, BUDGETS[name]))


class AgentStatus(Row, Model):
    __tablename__ = "agent_status"
    __table_args__ = (CheckConstraint("status in ('idle', 'thinking', 'tool', 'writing')", name="status"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"), unique=True)
    status: Mapped[str] = mapped_column(String(8), default="idle")
    activity: Mapped[str] = mapped_column(String(200), default="")
    last_seen_at: Mapped[datetime] = mapped_column(default=utcnow)

    agent: Mapped[Agent] = relationship(back_populates="state")

    def say(self, status: str, activity: str = "") -> None:
        """What the agent is doing now, for the roster."""
        if (self.status, self.activity) != (status, activity[:200]):
            self.status, self.activity = status, activity[:200]

    @property
    def shown(self) -> str:
        """The status that people see: of an external agent that does not ask for work, `offline`."""
        return OFFLINE if (self.status, self.activity) == ("idle", OFFLINE) else self.status

    def poll(self) -> None:
        """An external agent asked for work, or reported: it is alive."""
        mine = update(AgentStatus).where(AgentStatus.id == self.id)
        changed_rows(mine.values(last_seen_at=db_now()))
        was_away = mine.where(AgentStatus.status == "idle", AgentStatus.activity == OFFLINE)
        if changed_rows(was_away.values(activity="")):
            db.session.expire(self)
            touch(self)

    @classmethod
    def poll_due(cls, agent_id: UUID) -> bool:
        """Whether the note of its last word is so old that the next one must be written."""
        old = cls.last_seen_at < db_now(-POLL_NOTED_SECONDS)
        return db.session.scalar(select(cls.id).where(cls.agent_id == agent_id, old)) is not None

    @classmethod
    def note_absent(cls) -> int:
        """External agents with nothing in hand that no longer ask are offline from now on; how many went."""
        gone = (
            select(cls)
            .join(Agent, Agent.id == cls.agent_id)
            .where(
                Agent.runtime == "external",
                Agent.archived_at.is_(None),
                cls.status == "idle",
                cls.activity != OFFLINE,
                cls.last_seen_at < db_now(-EXTERNAL_HEALTHY_SECONDS),
            )
            .order_by(cls.id)
            .with_for_update(of=cls, skip_locked=True)
        )
        absent = db.session.scalars(gone, execution_options={"populate_existing": True}).all()
        for state in absent:
            state.say("idle", OFFLINE)
        return len(absent)

    @classmethod
    def polled_lately(cls, agent_id: UUID) -> bool:
        """Whether an external agent asked within 30 s: it is its own executor."""
        seen = cls.last_seen_at > db_now(-EXTERNAL_HEALTHY_SECONDS)
        return db.session.scalar(select(cls.id).where(cls.agent_id == agent_id, seen)) is not None
