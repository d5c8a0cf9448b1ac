"""`/api/chat/deliver`, the seed's own address: one message to one agent."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify
from sqlalchemy import select

from models.agent import Agent
from models.base import db, reading
from models.delivery import Delivery
from models.errors import Conflict, NotFound
from models.message import LONGEST, Message
from models.posting import deliver as deliver_to
from models.posting import no_such_agent
from models.text import clean
from models.thread import Thread
from queues.direct import mode_of
from webapp import gate, visible
from webapp.api.messages import draft_of
from webapp.auth import policy, principal, require
from webapp.limits import ApiBlueprint
from webapp.schemas import Deliver, Delivered

bp = ApiBlueprint("chat", __name__, url_prefix="/api", description="A message to one agent")


@bp.post("/chat/deliver")
@policy("message.post", apart=True)
@bp.arguments(Deliver)
@bp.response(200, Delivered)
def deliver(words: dict[str, Any]) -> Response:
    """Deliver a message to an agent, whatever it mentions; a repeat is harmless, another text is 409.

    `message_id` is the id of a message that the caller may see, or else the caller's own id for a new
    message in the Team Room: there it is the client_id, so that a repeat finds the message again.
    """
    clean(words["message_id"], "message_id", longest=64)
    clean(words["message"], "message", longest=LONGEST)
    with reading():
        known = _known(words["message_id"])
        thread = visible.thread(known.thread_id) if known else _room(words.get("project_id"))
        require("message.post", thread.project_id)
        agent = Agent.by_key(thread.project_id, words["target_agent_key"])
        if agent is None:
            raise no_such_agent()
        mode = mode_of(agent)
        db.session.close()
    message = _again(known.id, words) if known else _anew(thread, words)
    wanted = (Delivery.message_id == message.id, Delivery.target_agent_key == agent.key)
    with reading():
        delivery_id = db.session.scalar(select(Delivery.id).where(*wanted))
    if delivery_id is None:
        raise Conflict("agents go on among themselves here only when a person says so")
    return jsonify({"mode": mode, "delivery_id": str(delivery_id)})


def _known(message_id: str) -> Message | None:
    try:
        return visible.message(UUID(message_id))
    except (ValueError, NotFound):
        return None


def _room(project_id: UUID | None) -> Thread:
    if project_id is None:
        project = visible.last_project()
        if project is None:
            raise NotFound
        project_id = project.id
    return visible.room(project_id)


def _again(message_id: UUID, words: dict[str, Any]) -> Message:
    """Deliver a message that exists."""
    message = visible.message(message_id)
    require("message.post", message.project_id)
    if not message.says(words["message"]):
        raise _used_before("is the id of a message with another text")
    by_agent = principal().agent_key if principal().kind == "agent" else None
    deliver_to(visible.thread(message.thread_id), message, words["target_agent_key"], by_agent)
    db.session.commit()
    return message


def _used_before(why: str) -> Conflict:
    return Conflict(f"this message_id {why}", fields={"message_id": [why]})


def _anew(thread: Thread, words: dict[str, Any]) -> Message:
    """Post it in the room, delivered to this agent alone."""
    draft = draft_of(
        principal(),
        content=words["message"],
        client_id=words["message_id"],
        deliver_to=words["target_agent_key"],
    )
    try:
        return gate.enter(gate.Post(principal(), thread.id, draft))
    except Conflict as refusal:
        if "client_id" not in refusal.fields:
            raise
        raise _used_before("was used for another message") from None
