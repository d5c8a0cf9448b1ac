"""The context pack: all that an agent is given to answer one delivery."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Integer, bindparam, select

from agents.authors import Authors, roster
from agents.prompts import prompt
from agents.quoting import boundary, capped, plain, quote
from agents.turn import Turn
from agents.usage import Budget
from models import labs
from models.agent import Agent
from models.base import db
from models.brain_doc import FLAG, PROJECT, BrainDoc
from models.delivery import Delivery
from models.hidden import made_visible
from models.message import Message
from models.project import Project
from models.thread import Thread
from models.user import User

RECENT = 30
RECENT_CHARACTERS = 24_000
ONE_RECENT = 2_000
ONE_TAIL = 400

MISSION = "mission"
"""The document of the whole project that is part of every answer (seed 002, module 6)."""
MISSION_CHARACTERS = 4_000
MISSION_TAIL = 500

DOCS_READ = 1000
DOCS_TOLD = 50
"""How many documents the instructions name; `list_docs` tells of more."""

ROOM = 'This is the room "{title}", which everybody of the project reads.'
DM = "This is a direct conversation with {owner}; nobody else reads it."
BEFORE = "What was said in this thread before, oldest first:"
NOTHING_BEFORE = "Nothing was said in this thread before."
ADDRESSED = "The message addressed to you, which you answer now:"
NO_MISSION = "No mission has been written down yet."
NO_DOCS = "There are none yet."
MORE_DOCS = "There are more: list_docs names them."


@dataclass(frozen=True)
class Pack:
    """What the loop is given: the turn, and what answering it may cost."""

    turn: Turn
    budget: Budget


def packs(delivery_ids: Collection[UUID]) -> dict[UUID, Pack]:
    """All that the answers to these deliveries are made from, by delivery. Runs in a read transaction."""
    around: dict[UUID, _Around] = {}
    made: dict[UUID, Pack] = {}
    for delivery_id, message, thread, project, agent in db.session.execute(_ADDRESSED, {"ids": delivery_ids}):
        if thread.id not in around:
            around[thread.id] = _Around.of(project, thread, len(delivery_ids))
        turn = Turn(
            system=_system(agent, project, around[thread.id]),
            messages=[{"role": "user", "content": _conversation(message, around[thread.id])}],
            model=agent.model,
        )
        made[delivery_id] = Pack(turn, _budget(agent))
    return made


# Put together once: several answers begin at the same moment, and each has 100 ms of ours to begin in.
_ADDRESSED = (
    select(Delivery.id, Message, Thread, Project, Agent)
    .join(Message, Delivery.message_id == Message.id)
    .join(Thread, Thread.id == Delivery.thread_id)
    .join(Project, Project.id == Delivery.project_id)
    .join(Agent, (Agent.project_id == Delivery.project_id) & (Agent.key == Delivery.target_agent_key))
    .where(Delivery.id.in_(bindparam("ids", expanding=True)))
    .order_by(Message.seq.desc())
)


@dataclass(frozen=True)
class _Around:
    """What all answers in one thread are told alike."""

    mission: str
    roster: str
    docs: "Docs"
    place: str
    authors: Authors
    recent: "_Recent"
    code: str = field(default_factory=boundary)
    """Under which all is quoted: nobody can have read it before these answers are told of it."""
    quoted: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project, thread: Thread, together: int) -> "_Around":
        docs = Docs(project.id)
        return cls(
            mission=docs.mission,
            roster=roster(project.id),
            docs=docs,
            place=_place(thread),
            authors=Authors(project.id),
            recent=_Recent(thread.id, together),
        )


def _budget(agent: Agent) -> Budget:
    """As the agent's own limits say."""
    return Budget(
        turns=agent.budget("turns"),
        output_tokens=agent.budget("output_tokens"),
        seconds=agent.budget("seconds"),
    )


def _system(agent: Agent, project: Project, around: _Around) -> str:
    """Who the agent is and how it works; without times, so that the provider can cache it."""
    return prompt(
        "chat",
        **introduced(agent, project),
        mission=around.mission,
        roster=around.roster,
        docs=around.docs.of(agent.key),
        place=around.place,
    )


def introduced(agent: Agent, project: Project) -> dict[str, str]:
    """Who the agent is, in every prompt."""
    return {
        "name": named(agent.name),
        "key": agent.key,
        "title": f"Your role: {named(agent.title)}." if agent.title else "",
        "persona": agent.persona,
        "project": named(project.name),
    }


def informed(agent: Agent, project: Project) -> dict[str, str]:
    """The same, with what the project is for and which documents there are."""
    docs = Docs(project.id)
    return introduced(agent, project) | {"mission": docs.mission, "docs": docs.of(agent.key)}


def at_work(project_id: UUID, agent_key: str) -> tuple[Agent, Project]:
    """Who does a run, and where; he may be archived meanwhile."""
    agent = Agent.by_key(project_id, agent_key, archived=True)
    assert agent is not None, "agents are archived, never deleted"
    return agent, db.session.get_one(Project, project_id)


class Docs:
    """The documents of a project, which an agent is told of by name; what they say is for its tools.

    The mission is told word for word: it is asked for with every answer.
    """

    def __init__(self, project_id: UUID) -> None:
        on = labs.enabled(FLAG, project_id)
        self._keys = list(db.session.execute(_DOCS, {"project_id": project_id})) if on else []
        said = db.session.scalar(_MISSION, {"project_id": project_id}) if on else None
        text = capped((said or "").strip(), MISSION_CHARACTERS, MISSION_TAIL)
        self.mission = made_visible(text) or NO_MISSION

    def of(self, agent_key: str) -> str:
        """Those for everybody and the agent's own, one a line; by name alone, so that it stays the same."""
        lines = [f"- {key}/{name}" for key, name in self._keys if key in (PROJECT, agent_key)]
        told = lines[:DOCS_TOLD]
        if len(lines) > DOCS_TOLD or len(self._keys) == DOCS_READ:
            told.append(MORE_DOCS)
        return "\n".join(told) or NO_DOCS


_DOCS = (
    select(BrainDoc.agent_key, BrainDoc.doc_type)
    .where(BrainDoc.project_id == bindparam("project_id"))
    .order_by(BrainDoc.agent_key, BrainDoc.doc_type)
    .limit(DOCS_READ)
)
_MISSION = select(BrainDoc.content).where(
    BrainDoc.project_id == bindparam("project_id"),
    BrainDoc.agent_key == PROJECT,
    BrainDoc.doc_type == MISSION,
)


def _place(thread: Thread) -> str:
    if thread.owner_user_id is None:
        return ROOM.format(title=named(thread.title))
    return DM.format(owner=named(db.session.get_one(User, thread.owner_user_id).name))


def named(name: str) -> str:
    """A name between our own words cannot leave its line, nor its quotation marks."""
    return plain(name).replace('"', "'")


def _conversation(message: Message, around: _Around) -> str:
    """The thread as data, one quote a message under one code, and the addressed message last."""
    before = _before(message, around.recent)
    around.authors.meet([*before, message])
    shown = [_shortened(said, around) for said in before]
    parts = [BEFORE, *shown] if shown else [NOTHING_BEFORE]
    return "\n\n".join([*parts, ADDRESSED, _quoted(message, around, message.told)])


def _shortened(message: Message, around: _Around) -> str:
    """Quoted once for all answers that begin together."""
    if message.seq not in around.quoted:
        text = capped(message.told, ONE_RECENT, ONE_TAIL)
        around.quoted[message.seq] = _quoted(message, around, text)
    return around.quoted[message.seq]


def _quoted(message: Message, around: _Around, text: str) -> str:
    return quote(
        text,
        f"#{message.seq} · {message.created_at:%Y-%m-%d %H:%M} UTC · {around.authors.of(message)}",
        around.code,
    )


def _before(message: Message, recent: "_Recent") -> list[Message]:
    """The last messages before this one that fit, and the one it answers, in order."""
    kept = _fitting(recent.before(message.seq))
    if message.reply_to is not None and message.reply_to not in {said.id for said in kept}:
        answered = _SAID.where(Message.id == message.reply_to)
        kept.extend(db.session.scalars(answered, {"thread_id": message.thread_id, "seq": message.seq}))
    return sorted(kept, key=lambda said: said.seq)


class _Recent:
    """What was said in a thread: read once for messages that follow each other closely, newest first."""

    def __init__(self, thread_id: UUID, together: int) -> None:
        self._thread_id, self._limit = thread_id, RECENT + together
        self._said: list[Message] = []
        self._below = 0
        """The message before which `_said` was read."""

    def before(self, seq: int) -> list[Message]:
        """Up to RECENT messages before this one, newest first."""
        if not self._reaches(seq):
            bounds = {"thread_id": self._thread_id, "seq": seq, "limit": self._limit}
            self._said, self._below = list(db.session.scalars(_NEWEST, bounds)), seq
        return [said for said in self._said if said.seq < seq][:RECENT]

    def _reaches(self, seq: int) -> bool:
        """Whether enough was read already, or all that there is."""
        enough = len(self._said) >= RECENT and self._said[-RECENT].seq < seq
        return seq <= self._below and (enough or len(self._said) < self._limit)


_SAID = select(Message).where(
    Message.thread_id == bindparam("thread_id"),
    Message.seq < bindparam("seq"),
    Message.deleted_at.is_(None),
)
_NEWEST = _SAID.order_by(Message.seq.desc()).limit(bindparam("limit", type_=Integer))


def _fitting(newest: Sequence[Message]) -> list[Message]:
    kept: list[Message] = []
    room = RECENT_CHARACTERS
    for said in newest:
        room -= min(len(said.told), ONE_RECENT)
        if room < 0:
            break
        kept.append(said)
    return kept
