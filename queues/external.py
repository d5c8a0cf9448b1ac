"""The steps of a delivery that an external agent answers, each inside a request of that agent."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from models.agent import Agent
from models.base import db
from models.delivery import LONGEST_REPORTED, Delivery
from models.message import Answer
from models.proposal import Proposal
from models.text import invalid
from models.thread import Thread
from models.wish import Wish
from queues import roster
from realtime.registry import PUBLISHED


def offer(agent: Agent) -> dict[str, Any] | None:
    """The oldest delivery that waits for it, with what it is answered from: read first, and then taken."""
    # Here, because most web processes never serve an external agent.
    from agents.context import packs

    delivery_id = Delivery.next_for(agent)
    if delivery_id is None:
        return None
    delivery = db.session.get_one(Delivery, delivery_id)
    pack, budget = packs([delivery_id])[delivery_id], ("turns", "output_tokens", "seconds")
    return {
        "delivery_id": str(delivery_id),
        "thread": PUBLISHED["project_chat_threads"].row(db.session.get_one(Thread, delivery.thread_id)),
        "context": asdict(pack.turn) | {"budget": {name: getattr(pack.budget, name) for name in budget}},
    }


def take(agent: Agent, delivery_id: UUID) -> dict[str, Any] | None:
    """The attempt that begins, and its message; None when another poll of the agent was first."""
    delivery = db.session.get_one(Delivery, delivery_id)
    if not delivery.take(leased=False):
        return None
    roster.say(agent.project_id, [agent.key], "thinking")
    message = PUBLISHED["project_chat_messages"].row(delivery.message)
    return {"attempt": delivery.attempts, "message": message}


def progress(
    agent: Agent, delivery: Delivery, attempt: int, piece: str, offset: int, doing: tuple[str, str]
) -> str:
    """The text so far, with this piece of it; the two minutes begin anew."""
    token = delivery.held(attempt)
    text = delivery.grown(offset, piece) if piece else delivery.partial
    if len(text) > LONGEST_REPORTED:
        raise invalid("text", f"would be longer than {LONGEST_REPORTED:,} characters")
    Delivery.progress(token, text)
    _say(agent, delivery, *doing)
    return text


def propose(agent: Agent, delivery: Delivery, attempt: int, wish: Wish) -> Proposal:
    """What it wants done, in the thread where it was asked; the two minutes begin anew."""
    token = delivery.held(attempt)
    proposal = Proposal.make(db.session.get_one(Thread, delivery.thread_id), wish)
    Delivery.progress(token, delivery.partial)
    _say(agent, delivery, "tool", "proposing")
    return proposal


def _say(agent: Agent, delivery: Delivery, status: str, activity: str) -> None:
    """Everybody of the project reads this line: what a conversation is about does not stand there."""
    private = db.session.get_one(Thread, delivery.thread_id).agent_key is not None
    roster.say(agent.project_id, [agent.key], status, "" if private else activity)


def finish(agent: Agent, delivery: Delivery, attempt: int, said: Answer, usage: dict[str, int]) -> None:
    """The answer is said."""
    delivery.finish(delivery.held(attempt), said, usage)
    roster.rest(agent.project_id, agent.key)


def fail(agent: Agent, delivery: Delivery, attempt: int, reason: str) -> None:
    """It could not be answered, for a reason that people read."""
    delivery.fail(reason, delivery.held(attempt))
    roster.rest(agent.project_id, agent.key)


def delta(delivery: Delivery, before: str, text: str) -> dict[str, Any] | None:
    """What pages are told of a text that grew, or was changed; None when it is as it was."""
    if text == before:
        return None
    grew = text.startswith(before)
    said = {
        "project_id": str(delivery.project_id),
        "thread_id": str(delivery.thread_id),
        "message_id": str(delivery.reply_id),
        "delivery_id": str(delivery.id),
        "agent": delivery.target_agent_key,
        "attempt": delivery.attempts,
    }
    if grew:
        return said | {"offset": len(before), "text": text[len(before) :]}
    return said | {"offset": 0, "text": text, "reset": True}
