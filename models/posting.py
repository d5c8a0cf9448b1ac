"""Posting: people's drafts and agents' answers become messages, and deliveries to whom they address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from models.agent import Agent
from models.attachment import Attachment
from models.base import db, utcnow
from models.delivery import Delivery
from models.errors import Conflict, DomainError, Invalid
from models.message import Answer, Draft, Message, system_line
from models.project import Project
from models.thread import Thread
from models.user import Membership, User

PAUSED = "The agents kept answering each other. A person decides whether they go on."


def post(thread: Thread, draft: Draft) -> Message:
    """Post one draft; raises Conflict when its client_id came before with another content."""
    [result] = post_all(thread, [draft])
    if isinstance(result, DomainError):
        raise result
    return result


def post_all(thread: Thread, drafts: Sequence[Draft]) -> list[Message | DomainError]:
    """Post drafts of any authors in one transaction, in order; a repeat gives the first message again."""
    # Files first: who waited for them finds what was posted with them meanwhile.
    files = Attachment.unposted({file_id for draft in drafts for file_id in draft.attachments})
    earlier = _posted_before(thread, drafts)
    quoted = _quoted(thread, drafts)
    audience = Audience(thread.project_id)
    results: list[Message | DomainError] = []
    fresh: list[tuple[Message, Draft]] = []
    posted: list[tuple[Attachment, Message]] = []
    for draft in drafts:
        before = earlier.get(draft.key)
        if before is not None:
            results.append(_repeated(before, draft, thread))
        elif (refusal := _refusal(draft, thread, quoted, files, audience)) is not None:
            results.append(refusal)
        else:
            given = [files.pop(file_id) for file_id in draft.attachments]
            message = earlier[draft.key] = _message_of(thread, draft, given)
            fresh.append((message, draft))
            posted += [(file, message) for file in given]
            results.append(message)
    if fresh:
        _number(thread, [message for message, _ in fresh])
        if any(draft.user_id for _, draft in fresh):
            thread.person_spoke()
        db.session.add_all(message for message, _ in fresh)
        # Whom they address is read before they are written: then each is written once.
        with db.session.no_autoflush:
            for message, draft in fresh:
                _address(thread, message, draft, quoted, audience)
        db.session.flush()
        for file, message in posted:
            file.message_id = message.id
    return results


def _address(
    thread: Thread, message: Message, draft: Draft, quoted: dict[UUID, Message], audience: Audience
) -> None:
    if draft.message_type != "text":
        return
    if draft.agent_key is not None:
        called = draft.rendered.mentions if draft.deliver_to is None else [draft.deliver_to]
        _call_others(thread, message, called, tokens=0)
        return
    people, agents = _addressed(thread, draft, quoted, audience)
    message.addressed = people or None
    message.target_agent_key = agents[0] if len(agents) == 1 else None
    Delivery.address(message, agents)


def _addressed(
    thread: Thread, draft: Draft, quoted: dict[UUID, Message], audience: Audience
) -> tuple[list[str], list[str]]:
    """(ids of people, keys of agents). Whoever is named in a conversation besides its agent hears nothing."""
    if thread.agent_key is not None:
        return [], [key for key in audience.agents if key == thread.agent_key]
    answer_to = quoted.get(draft.reply_to) if draft.reply_to else None
    people, agents = audience.of(draft.rendered.mentions, answer_to)
    return people, agents if draft.deliver_to is None else [draft.deliver_to]


def _repeated(before: Message, draft: Draft, thread: Thread) -> Message | DomainError:
    if not before.same_as(draft, thread):
        why = "was used for another message"
        return Conflict(f"this client_id {why}", fields={"client_id": [why]})
    if draft.deliver_to is not None:
        try:
            deliver(thread, before, draft.deliver_to, draft.agent_key)
        except Conflict as refusal:
            return refusal
    return before


def deliver(thread: Thread, message: Message, agent_key: str, by_agent: str | None = None) -> None:
    """Deliver a message that exists to one agent, unless it goes there already.

    An agent that asks for it takes a turn, which the breaker may hold. Conflict when it means itself,
    there is nothing to deliver, or the message is of a conversation with another agent.
    """
    if agent_key == by_agent:
        raise _to_itself()
    if thread.agent_key not in (None, agent_key):
        raise Conflict("a conversation is between a person and one agent")
    if message.goes_to(agent_key):
        return
    if by_agent is None:
        Delivery.address(message, [agent_key])
    elif agent_key not in message.meta.get("held", ()):
        _call_others(thread, message, [agent_key], tokens=0)
    db.session.flush()
    Message.follow_deliveries([message.id])


def _to_itself() -> Conflict:
    why = "is the agent that asks"
    return Conflict("an agent does not deliver to itself", fields={"target_agent_key": [why]})


def _refusal(
    draft: Draft,
    thread: Thread,
    quoted: dict[UUID, Message],
    files: dict[UUID, Attachment],
    audience: Audience,
) -> DomainError | None:
    if draft.agent_key is not None and draft.deliver_to == draft.agent_key:
        return _to_itself()
    if draft.reply_to is not None and draft.reply_to not in quoted:
        return Invalid("no such message here", fields={"reply_to": ["is not in this thread"]})
    if draft.deliver_to is not None and draft.deliver_to not in audience.agents:
        return no_such_agent()
    given = [files.get(file_id) for file_id in draft.attachments]
    if not all(file and file.waits_for(draft.user_id, thread) for file in given):
        why = "names a file that is not yours to post here, or is gone"
        return Invalid(f"attachments {why}", fields={"attachments": [why]})
    return None


def no_such_agent() -> Invalid:
    return Invalid("no such agent here", fields={"target_agent_key": ["is no agent of this project"]})


def _posted_before(
    thread: Thread, drafts: Sequence[Draft]
) -> dict[tuple[UUID | None, str | None, str | None], Message]:
    people = {draft.user_id for draft in drafts if draft.user_id}
    agents = {draft.agent_key for draft in drafts if draft.agent_key}
    said = {"client_ids": {draft.client_id for draft in drafts}}
    rows = list(db.session.scalars(_of_people(), said | {"authors": people})) if people else []
    if agents:
        rows += db.session.scalars(_of_agents(), said | {"authors": agents, "project_id": thread.project_id})
    return {row.key: row for row in rows}


# What every post asks is put together once: that would take longer than the asking. Authors and ids are
# asked for apart, which may find more than was meant: for pairs of them SQLite reads the whole table.


@cache
def _of_people() -> Any:
    return Message.for_display().where(Message.user_id.in_(_many("authors")), _SAID)


@cache
def _of_agents() -> Any:
    theirs = Message.author_key.in_(_many("authors"))
    return Message.for_display().where(Message.project_id == bindparam("project_id"), theirs, _SAID)


def _many(name: str) -> Any:
    return bindparam(name, expanding=True)


_SAID = Message.client_id.in_(_many("client_ids"))


def _quoted(thread: Thread, drafts: Sequence[Draft]) -> dict[UUID, Message]:
    wanted = {draft.reply_to for draft in drafts if draft.reply_to is not None}
    if not wanted:
        return {}
    rows = db.session.scalars(select(Message).where(Message.id.in_(wanted), Message.thread_id == thread.id))
    return {row.id: row for row in rows}


def _message_of(thread: Thread, draft: Draft, files: Sequence[Attachment]) -> Message:
    return Message(
        id=draft.id,
        created_at=draft.created_at,
        project_id=thread.project_id,
        thread_id=thread.id,
        author_kind="agent" if draft.agent_key else "person",
        author_key=draft.agent_key,
        user_id=draft.user_id,
        content=draft.content,
        content_html=draft.rendered.html,
        message_type=draft.message_type,
        meta={"files": [file.said for file in files]} if files else {},
        status="sent",
        client_id=draft.client_id,
        reply_to=draft.reply_to,
    )


def _number(thread: Thread, messages: Sequence[Message]) -> None:
    last = thread.next_seq(len(messages))
    for seq, message in enumerate(messages, start=last - len(messages) + 1):
        message.seq = seq


_DEFAULT = select(Project.default_agent_key).where(Project.id == bindparam("project_id"))
_AGENTS = (
    select(Agent.key)
    .where(Agent.project_id == bindparam("project_id"), Agent.archived_at.is_(None))
    .order_by(Agent.key)
)
_PEOPLE = (
    select(User.handle, User.id)
    .join(Membership, Membership.user_id == User.id)
    .where(Membership.project_id == bindparam("project_id"), User.deactivated_at.is_(None))
)


class Audience:
    """Whom a message addresses: R12's rules, with the project's names read once, and only when needed."""

    def __init__(self, project_id: UUID) -> None:
        self._project = {"project_id": project_id}

    @cached_property
    def default(self) -> str | None:
        return db.session.scalar(_DEFAULT, self._project)

    @cached_property
    def agents(self) -> list[str]:
        return list(db.session.scalars(_AGENTS, self._project))

    @cached_property
    def people(self) -> dict[str, UUID]:
        return {handle: user_id for handle, user_id in db.session.execute(_PEOPLE, self._project)}

    def of(self, mentions: Sequence[str], answer_to: Message | None) -> tuple[list[str], list[str]]:
        """(ids of people, keys of agents) that a person's message addresses."""
        agents = self.mentioned_agents(mentions)
        people = [str(self.people[name]) for name in mentions if name in self.people and name not in agents]
        if agents or people:
            return people, agents
        if answer_to is not None and answer_to.author_kind == "agent" and answer_to.author_key in self.agents:
            return [], [answer_to.author_key]
        if answer_to is not None and answer_to.author_kind == "person":
            return [str(answer_to.user_id)], []
        return [], [self.default] if self.default and self.default in self.agents else []

    def mentioned_agents(self, mentions: Sequence[str]) -> list[str]:
        if not mentions:
            return []
        return list(self.agents) if "all" in mentions else [name for name in mentions if name in self.agents]


def answer(delivery: Delivery, said: Answer, meta: dict[str, Any], tokens: int) -> Message:
    """The agent's answer as a message: made at the end of its turn, or at Stop with the text so far."""
    thread = db.session.get_one(Thread, delivery.thread_id)
    message = Message(
        id=delivery.reply_id,
        created_at=utcnow(),
        project_id=delivery.project_id,
        thread_id=delivery.thread_id,
        seq=thread.next_seq(),
        author_kind="agent",
        author_key=delivery.target_agent_key,
        content=said.content,
        content_html=said.rendered.html,
        message_type="text",
        meta=meta,
        status="sent",
    )
    db.session.add(message)
    if "stopped_by" not in meta:
        _call_others(thread, message, said.rendered.mentions, tokens)
    return message


def _call_others(thread: Thread, message: Message, mentions: Sequence[str], tokens: int) -> None:
    """An agent's message goes only to the agents it mentions, and the breaker counts such turns.

    In a conversation it goes to nobody: no other agent hears what is said there.
    """
    if thread.agent_key is not None:
        return
    called = [
        key for key in Audience(thread.project_id).mentioned_agents(mentions) if key != message.author_key
    ]
    if not called:
        return
    if thread.agent_turn(tokens):
        Delivery.address(message, called)
    else:
        message.meta = message.meta | {"held": [*message.meta.get("held", ()), *called]}
        if thread.pause(message.seq):
            system_line(thread, PAUSED)
