"""The context pack: all that an agent is given to answer one delivery."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select

from agents.authors import Authors, roster
from agents.loop import Turn
from agents.prompts import prompt
from agents.quoting import boundary, capped, quote
from agents.usage import Budget
from models.agent import Agent
from models.base import db
from models.delivery import Delivery
from models.message import Message
from models.project import Project, ProjectSetting
from models.thread import Thread
from models.user import User

RECENT = 30
RECENT_CHARACTERS = 24_000
ONE_RECENT = 2_000
ONE_TAIL = 400

ROOM = 'This is the room "{title}", which everybody of the project reads.'
DM = "This is a direct conversation with {owner}; nobody else reads it."
BEFORE = "What was said in this thread before, oldest first:"
NOTHING_BEFORE = "Nothing was said in this thread before."
ADDRESSED = "The message addressed to you, which you answer now:"


@dataclass(frozen=True)
class Pack:
    """What the loop is given: the turn, and what answering it may cost."""

    turn: Turn
    budget: Budget


def pack(delivery_id: UUID) -> Pack:
    """All that the answer to this delivery is made from. Runs in a read transaction."""
    message, thread, project, agent = db.session.execute(_ADDRESSED, {"id": delivery_id}).one()
    turn = Turn(
        system=_system(agent, project, thread),
        messages=[{"role": "user", "content": _conversation(message)}],
        model=agent.model,
    )
    return Pack(turn, _budget(agent))


# Put together once: several answers begin at the same moment, and each has 100 ms of ours to begin in.
_ADDRESSED = (
    select(Message, Thread, Project, Agent)
    .join(Delivery, Delivery.message_id == Message.id)
    .join(Thread, Thread.id == Delivery.thread_id)
    .join(Project, Project.id == Delivery.project_id)
    .join(Agent, (Agent.project_id == Delivery.project_id) & (Agent.key == Delivery.target_agent_key))
    .where(Delivery.id == bindparam("id"))
)


def _budget(agent: Agent) -> Budget:
    """As the agent's own limits say."""
    return Budget(
        turns=agent.budget("turns"),
        output_tokens=agent.budget("output_tokens"),
        seconds=agent.budget("seconds"),
    )


def _system(agent: Agent, project: Project, thread: Thread) -> str:
    """Who the agent is and how it works; without times, so that the provider can cache it."""
    mission = ProjectSetting.read(agent.project_id, "mission")
    return prompt(
        "chat",
        name=agent.name,
        key=agent.key,
        title=f"Your role: {agent.title}." if agent.title else "",
        persona=agent.persona,
        project=project.name,
        mission=str(mission) if mission else "No mission has been written down yet.",
        roster=roster(agent.project_id),
        place=_place(thread),
    )


def _place(thread: Thread) -> str:
    if thread.owner_user_id is None:
        return ROOM.format(title=thread.title)
    return DM.format(owner=db.session.get_one(User, thread.owner_user_id).name)


def _conversation(message: Message) -> str:
    """The thread as data, one quote a message under one code, and the addressed message last."""
    before = _before(message)
    authors = Authors(message.project_id, [*before, message])
    code = boundary()
    shown = [_quoted(said, authors, code, capped(said.content, ONE_RECENT, ONE_TAIL)) for said in before]
    parts = [BEFORE, *shown] if shown else [NOTHING_BEFORE]
    return "\n\n".join([*parts, ADDRESSED, _quoted(message, authors, code, message.content)])


def _quoted(message: Message, authors: Authors, code: str, text: str) -> str:
    return quote(
        text,
        f"#{message.seq} · {message.created_at:%Y-%m-%d %H:%M} UTC · {authors.of(message)}",
        code,
    )


def _before(message: Message) -> list[Message]:
    """The last messages before this one that fit, and the one it answers, in order."""
    newest = db.session.scalars(_NEWEST, {"thread_id": message.thread_id, "seq": message.seq}).all()
    kept = _fitting(newest)
    if message.reply_to is not None and message.reply_to not in {said.id for said in kept}:
        answered = _SAID.where(Message.id == message.reply_to)
        kept.extend(db.session.scalars(answered, {"thread_id": message.thread_id, "seq": message.seq}))
    return sorted(kept, key=lambda said: said.seq)


_SAID = select(Message).where(
    Message.thread_id == bindparam("thread_id"),
    Message.seq < bindparam("seq"),
    Message.deleted_at.is_(None),
)
_NEWEST = _SAID.order_by(Message.seq.desc()).limit(RECENT)


def _fitting(newest: Sequence[Message]) -> list[Message]:
    kept: list[Message] = []
    room = RECENT_CHARACTERS
    for said in newest:
        room -= min(len(said.content), ONE_RECENT)
        if room < 0:
            break
        kept.append(said)
    return kept
