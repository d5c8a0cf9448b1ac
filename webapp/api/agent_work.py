"""The door of agents that run elsewhere: they claim what is addressed to them, and report on it."""

import time
from typing import Any
from uuid import UUID

from flask import Response, current_app, g, jsonify

from models.agent import Agent, AgentStatus
from models.base import db, reading
from models.delivery import Delivery
from models.errors import Forbidden, NotFound
from models.message import Answer
from models.text import clean
from models.wish import Wish, key_of
from queues import external
from realtime import pump
from realtime.registry import PUBLISHED
from webapp.api.messages import beside
from webapp.auth import policy, principal, require
from webapp.limits import ApiBlueprint
from webapp.schemas import Claim, Fail, Finish, Progress, Propose, Proposed, TextSoFar, Work

bp = ApiBlueprint(
    "agent_work", __name__, url_prefix="/api/agent", description="The work of agents that run elsewhere"
)

LOOK_EVERY = 0.5
"""Seconds between two looks of an agent that waits for work."""
LONGEST_REASON = 300

published = PUBLISHED["chat_delivery_queue"]


@bp.post("/claim")
@policy("message.post", apart=True)
@bp.arguments(Claim)
@bp.response(200, Work)
def claim(asked: dict[str, Any]) -> Response | tuple[str, int]:
    """Take the oldest message that waits for this agent, or 204; to ask is to say that the agent lives."""
    running, until = pump.current(), time.monotonic() + asked["wait"]
    while (work := _claim()) is None:
        left = until - time.monotonic()
        if left <= 0 or pump.current() is not running:  # the process stops, and another one answers
            return "", 204
        time.sleep(min(LOOK_EVERY, left))
    return jsonify(work)


def _claim() -> dict[str, Any] | None:
    """No transaction is left open: the caller may wait. Rights are read anew, as they may be withdrawn."""
    while True:
        with reading():
            g.pop("principal", None)
            agent = _agent()
            require("message.read", agent.project_id)
            offered = external.offer(agent)
            to_note = AgentStatus.poll_due(agent.id)
            db.session.close()
        if offered is None and not to_note:
            return None
        agent = db.session.get_one(Agent, agent.id)
        taken = external.take(agent, UUID(offered["delivery_id"])) if offered else None
        agent.state.poll()
        db.session.commit()
        db.session.close()
        if offered is None:
            return None
        if taken is not None:
            return offered | taken


@bp.post("/deliveries/<uuid:delivery_id>/progress")
@policy("message.post")
@bp.arguments(Progress)
@bp.response(200, TextSoFar)
def progress(said: dict[str, Any], delivery_id: UUID) -> Response:
    """Tell what the agent does, and the next piece of its answer; 409 `stopped` when it shall end."""
    delivery, agent = _mine(delivery_id, lock=True)
    before, piece = delivery.partial, said["text"]
    doing = said["status"] or ("writing" if piece else "thinking"), said["activity"]
    text = external.progress(agent, delivery, said["attempt"], piece, said.get("offset", 0), doing)
    agent.state.poll()
    [stream] = published.streams(delivery)
    db.session.commit()
    _show(external.delta(delivery, before, text), stream)
    return jsonify({"offset": len(text)})


def _show(delta: dict[str, Any] | None, stream: str) -> None:
    """Open pages see the text grow; what they miss of it they read from the delivery."""
    if delta is not None and (server := current_app.extensions.get("realtime")) is not None:
        server.tell("delta", delta, stream)


@bp.post("/deliveries/<uuid:delivery_id>/proposals")
@policy("message.post", apart=True)
@bp.arguments(Propose)
@bp.response(201, Proposed)
def propose(said: dict[str, Any], delivery_id: UUID) -> tuple[Response, int]:
    """Ask a person for something while this delivery is answered; the same again gives the first one."""
    with reading():
        delivery, agent = _mine(delivery_id)
        delivery.held(said["attempt"])
        db.session.close()
    action_type, params = said["action_type"], said["params"]
    key = key_of(delivery_id, action_type, params)
    wish = Wish.of(agent.key, action_type, params, said["why"], key, said["risk_level"])
    delivery, agent = _mine(delivery_id, lock=True)
    proposal = external.propose(agent, delivery, said["attempt"], wish)
    agent.state.poll()
    made = {
        "proposal_id": str(proposal.id),
        "message_id": str(proposal.message_id),
        "risk_level": proposal.risk_level,
        "headline": proposal.action.headline,
    }
    db.session.commit()
    return jsonify(made), 201


@bp.post("/deliveries/<uuid:delivery_id>/finish")
@policy("message.post", apart=True)
@bp.arguments(Finish)
@bp.response(200)
def finish(said: dict[str, Any], delivery_id: UUID) -> Response:
    """The answer, which becomes a message of the thread; without a text it is what progress told."""
    with reading():
        delivery, _ = _mine(delivery_id)
        delivery.held(said["attempt"])
        text = delivery.partial if said["text"] is None else said["text"]
        db.session.close()
    # Before the write transaction begins: markdown takes its time.
    answer = beside(text, lambda: Answer.of(text))
    delivery, agent = _mine(delivery_id, lock=True)
    external.finish(agent, delivery, said["attempt"], answer, said["usage"])
    agent.state.poll()
    db.session.commit()
    return jsonify(published.row(delivery))


@bp.post("/deliveries/<uuid:delivery_id>/fail")
@policy("message.post")
@bp.arguments(Fail)
@bp.response(200)
def fail(said: dict[str, Any], delivery_id: UUID) -> Response:
    """The agent cannot answer, and says why; a person may ask again."""
    reason = " ".join(clean(said["reason"], "reason", longest=LONGEST_REASON).split())
    delivery, agent = _mine(delivery_id, lock=True)
    external.fail(agent, delivery, said["attempt"], reason)
    agent.state.poll()
    db.session.commit()
    return jsonify(published.row(delivery))


def _mine(delivery_id: UUID, lock: bool = False) -> tuple[Delivery, Agent]:
    """A delivery to the agent that asks; locked, so that two reports of it come one after the other."""
    delivery = db.session.get(Delivery, delivery_id, with_for_update=lock)
    if delivery is None:
        raise NotFound
    require("message.post", delivery.project_id)
    agent = _agent()
    if delivery.target_agent_key != agent.key:
        raise NotFound
    return delivery, agent


def _agent() -> Agent:
    """The external agent whose token this is; Forbidden for everybody else."""
    who = principal()
    if who.agent_key is None:
        raise Forbidden("this needs the token of an agent")
    [project_id] = who.roles
    require("message.post", project_id)
    agent = Agent.by_key(project_id, who.agent_key)
    if agent is None:
        raise NotFound
    if agent.runtime != "external":
        raise Forbidden("this agent is answered by the chat worker")
    return agent
